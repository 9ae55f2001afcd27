package e2e_test

import (
	"encoding/json"
	"html"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shared is where environments made by a real Trac may lie, beside the
// checkout. Everything they show is also shown by environments of our own;
// these are a second opinion.
const shared = "../../shared"

// unpack extracts archives of environments into a new directory; it returns
// "" if there are none.
func unpack(t *testing.T, archives ...string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, a := range archives {
		path := filepath.Join(shared, a)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		found = true
		if out, err := exec.Command("tar", "-xzf", path, "-C", dir).CombinedOutput(); err != nil {
			t.Fatalf("tar: %v: %s", err, out)
		}
	}
	if !found {
		return ""
	}
	return dir
}

// fact is what a real Trac answered to a request.
type fact struct {
	Path     string
	Status   int
	Title    string
	Type     string
	Body     *string
	Headings [][]*string
}

// TestAgainstTrac compares answers with those of a real Trac 1.6, for the
// addresses this program has.
func TestAgainstTrac(t *testing.T) {
	parent := unpack(t, "trac16/envs.tar.gz")
	if parent == "" {
		t.Log("no environments of a real Trac here; those of our own are tested elsewhere")
		return
	}
	text, err := os.ReadFile(filepath.Join(shared, "trac16/oracle-anonymous.json"))
	if err != nil {
		t.Fatal(err)
	}
	var facts []fact
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	x := host(t, parent, true, atRoot)
	compared := 0
	for _, f := range facts {
		want, in := statusHere(f)
		if !in {
			continue
		}
		compared++
		resp, body := rawGet(t, x.url, escapePath(f.Path))
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d (Trac: %d)", f.Path, resp.StatusCode, want, f.Status)
		}
		tellsNothing(t, f.Path, parent, body)
		if want != f.Status || f.Status != 200 {
			continue
		}
		if got := title(body); f.Title != "" && f.Path != "/" && got != f.Title {
			t.Errorf("%s: title %q, Trac has %q", f.Path, got, f.Title)
		}
		for _, h := range f.Headings {
			if id := h[1]; id != nil && !strings.Contains(body, `id="`+*id+`"`) {
				t.Errorf("%s: heading with id %q is missing", f.Path, *id)
			}
		}
		if f.Body != nil && strings.Contains(f.Path, "format=txt") && body != *f.Body {
			t.Errorf("%s: the text is not Trac's", f.Path)
		}
	}
	if compared < 25 {
		t.Errorf("only %d answers were compared", compared)
	}
}

// statusHere is the status this program gives where Trac gave another, on
// purpose; in is false for what it does not offer.
func statusHere(f fact) (status int, in bool) {
	path, query, _ := strings.Cut(f.Path, "?")
	switch {
	case f.Path == "/broken", f.Path == "/broken/wiki":
		return 503, true // Trac: 500 with the exception
	case f.Path == "/not-an-environment", f.Path == "/.hidden":
		return 404, true // Trac: 500
	case f.Path == "/..":
		return 400, true // nginx's own
	case strings.Contains(path, ".."), strings.Contains(path, "%2e%2e"):
		return 404, true // nginx has resolved it
	case strings.HasPrefix(path, "/%D0"):
		return 404, true // there is the project, but no page in it
	case strings.Contains(query, "action="):
		return 0, false
	case strings.HasSuffix(path, "/TitleIndex"), strings.HasSuffix(path, "/RecentChanges"):
		return f.Status, true
	case f.Path == "/", f.Path == "/nosuch", strings.HasPrefix(path, "/private"), path == "/lighthouse", path == "/lighthouse/",
		strings.HasPrefix(path, "/lighthouse/wiki/"), path == "/lighthouse/wiki", strings.HasPrefix(path, "/lighthouse/chrome/"),
		path == "/lighthouse/nosuch/handler":
		return f.Status, true
	}
	return 0, false
}

// escapePath writes a path of the facts, which are partly decoded, as a client sends it.
func escapePath(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			b.WriteString(url.PathEscape(s[i : i+1]))
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func title(body string) string {
	m := regexp.MustCompile(`<title>([^<]*)</title>`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// TestRealEnvironments serves every wiki page of environments from real life,
// whose tables are of Trac 1.0 and 1.2, and leaves their files as they were, but
// for their logs.
func TestRealEnvironments(t *testing.T) {
	parent := unpack(t, "real-envs/envs.tar.gz", "trac16/envs.tar.gz")
	if parent == "" {
		t.Log("no environments from real life here; older tables are tested in project/wiki")
		return
	}
	before := snapshot(t, parent)
	x := host(t, parent, true, atRoot)
	pages := 0
	for _, env := range []string{"trac10", "trac12", "lighthouse"} {
		resp, body := get(t, x.url+"/"+env+"/wiki/a")
		if resp.StatusCode != 404 {
			t.Errorf("%s: a missing page has status %d", env, resp.StatusCode)
		}
		for _, link := range regexp.MustCompile(`href="(/`+env+`/wiki/[^"?#]+)"`).FindAllStringSubmatch(body, -1) {
			resp, page := get(t, x.url+html.UnescapeString(link[1]))
			if resp.StatusCode == 200 {
				pages++
				if !strings.Contains(page, `id="wikipage"`) {
					t.Errorf("%s: not a wiki page", link[1])
				}
			} else if resp.StatusCode != 404 {
				t.Errorf("%s: status %d", link[1], resp.StatusCode)
			}
		}
	}
	if pages < 40 {
		t.Errorf("only %d pages were found", pages)
	}
	if err := x.host.stop(); err != nil {
		t.Error(err)
	}
	for path, text := range snapshot(t, parent) {
		if old, ok := before[path]; (!ok || old != text) && filepath.Base(filepath.Dir(path)) != "log" {
			t.Errorf("%s was made or altered", path)
		}
	}
}

// snapshot reads all files below dir.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
