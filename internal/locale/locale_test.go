package locale_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"projhost/internal/locale"
)

func TestDateTime(t *testing.T) {
	at := time.Date(2024, 3, 5, 22, 4, 9, 0, time.UTC)
	for name, want := range map[string]string{
		"":            "",
		"xx_YY":       "",
		"C":           "2024-03-05 22:04 UTC",
		"POSIX":       "2024-03-05 22:04 UTC",
		"iso8601":     "2024-03-05 22:04 UTC",
		"ru_RU":       "05.03.2024 22:04:09",
		"ru_RU.UTF-8": "05.03.2024 22:04:09",
		"ru-RU":       "05.03.2024 22:04:09",
		"ru":          "05.03.2024 22:04:09",
		"de_DE@euro":  "05.03.2024 22:04:09",
		"de_DE@other": "05.03.2024 22:04:09",
		"en_US":       "03/05/2024 10:04:09 PM",
		"en":          "03/05/2024 10:04:09 PM",
		"en_GB":       "05/03/24 22:04:09",
		"ja_JP":       "2024年03月05日 22時04分09秒",
	} {
		l, ok := locale.Find(name)
		if ok != (want != "") {
			t.Errorf("%q: known %v", name, ok)
		} else if got := l.DateTime(at); ok && got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestAsDate compares with what the C library makes of the same definitions.
func TestAsDate(t *testing.T) {
	at := time.Date(2024, 3, 5, 22, 4, 9, 0, time.UTC)
	dir := t.TempDir()
	for _, name := range []string{"ru_RU", "en_US", "ar_EG", "fi_FI"} {
		made, err := exec.Command("localedef", "-c", "-i", name, "-f", "UTF-8", filepath.Join(dir, name+".UTF-8")).CombinedOutput()
		if err != nil {
			t.Fatalf("localedef: run `make deps`: %v\n%s", err, made)
		}
		cmd := exec.Command("date", "-u", "-d", fmt.Sprintf("@%d", at.Unix()), "+%x %X")
		cmd.Env = []string{"LOCPATH=" + dir, "LC_ALL=" + name + ".UTF-8"}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		l, ok := locale.Find(name)
		if got, want := l.DateTime(at), strings.TrimSuffix(string(out), "\n"); !ok || got != want {
			t.Errorf("%s: %q, date writes %q", name, got, want)
		}
	}
}
