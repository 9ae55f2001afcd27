package envs_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"projhost/envs"
	"projhost/testenvs"
)

// TestBadValuesAreLogged: values that do not fit their options cost those alone;
// the log names each of them once for a reading of the file, and no value.
func TestBadValuesAreLogged(t *testing.T) {
	parent := testenvs.Parent(t, "one")
	var log bytes.Buffer
	r := testenvs.Registry(t, parent, envs.Options{
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})), Recheck: time.Millisecond,
	})
	l := locate(t, r, parent, "one")
	write := func(bad string) {
		t.Helper()
		must(t, os.WriteFile(envs.ConfigFile(l.Dir()), []byte("[trac]\ndatabase = sqlite:db/trac.db\n"+bad), 0o644))
	}
	lines := func() []string {
		text := strings.TrimSpace(log.String())
		log.Reset()
		if text == "" {
			return nil
		}
		return strings.Split(text, "\n")
	}
	open := func() {
		t.Helper()
		for range 3 {
			time.Sleep(3 * time.Millisecond) // past Recheck
			e, release := acquire(t, r, l)
			if got := e.Config().Int("trac", "timeout"); got != 20 {
				t.Errorf("[trac] timeout is %d", got)
			}
			release()
		}
	}
	write("timeout = secret\nuse_xsendfile = ture\n")
	open()
	got := lines()
	if len(got) != 2 || !strings.Contains(got[0], "timeout") || !strings.Contains(got[0], "line=3") || !strings.Contains(got[1], "use_xsendfile") {
		t.Errorf("got %q", got)
	}
	if strings.Contains(strings.Join(got, ""), "secret") {
		t.Error("the log has a value")
	}
	var many strings.Builder
	for i := range 30 {
		fmt.Fprintf(&many, "x%d.order = first\n", i)
	}
	write("[mainnav]\n" + many.String())
	open()
	if got := lines(); len(got) != 21 || !strings.Contains(got[20], "more=10") {
		t.Errorf("%d lines, the last %q", len(got), got[max(0, len(got)-1):])
	}
	write("timeout = 20\n")
	open()
	if got := lines(); got != nil {
		t.Errorf("got %q", got)
	}
}
