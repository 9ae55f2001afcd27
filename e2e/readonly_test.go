package e2e_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"projhost/db"
	"projhost/testenvs"
)

// TestReadOnlyDirectory serves environments whose files are another user's and in
// which nothing can be made: as nobody if root runs the test, else as the same user
// while the modes forbid it. SQLite in WAL mode is among them.
func TestReadOnlyDirectory(t *testing.T) {
	parent := testenvs.Parent(t)
	for _, mode := range []string{"delete", "wal"} {
		dir := testenvs.Make(t, parent, mode, map[string]map[string]string{"trac": {"readonly": "enabled", "database": "sqlite:db/trac.db?journal_mode=" + mode}})
		d := testenvs.Database(t, dir)
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return tx.Changed("k") }); err != nil || d.Close() != nil {
			t.Fatal(err)
		}
	}
	const nobody = 65534
	for d := parent; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(t.TempDir(), "projhost") // where nobody can run it
	text, err := os.ReadFile(program())
	if err == nil {
		err = os.WriteFile(binary, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	eachFile(t, parent, func(path string, info fs.FileInfo) {
		if err := os.Chmod(path, info.Mode().Perm()&^0o222|0o444|info.Mode().Perm()&0o111); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() {
		eachFile(t, parent, func(path string, info fs.FileInfo) { _ = os.Chmod(path, info.Mode().Perm()|0o200) })
	})
	address := freePort(t)
	cmd := exec.Command(binary, "serve", "--listen", "http://"+address, "--env-parent-dir", parent)
	cmd.Dir = parent
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	before := treeOf(t, parent)
	p := startCmd(t, cmd)
	p.waitFor("tcp", address)
	for _, mode := range []string{"delete", "wal"} {
		for _, path := range []string{"", "/wiki/SecondPage", "/wiki/SecondPage?format=txt", "/chrome/common/css/trac.css"} {
			resp, body := get(t, "http://"+address+"/"+mode+path)
			if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Cache-Control"), "public") || len(resp.Cookies()) != 0 {
				t.Errorf("%s%s: %d %v %s", mode, path, resp.StatusCode, resp.Header, body)
			}
		}
		resp, err := http.Post("http://"+address+"/"+mode+"/logout", "application/x-www-form-urlencoded", strings.NewReader("a=b"))
		if err != nil || resp.StatusCode != http.StatusForbidden || resp.Body.Close() != nil {
			t.Errorf("%s: %v %v", mode, resp, err)
		}
	}
	if now := treeOf(t, parent); now != before {
		t.Errorf("something was written:\n%s\nbefore:\n%s", now, before)
	}
}

func eachFile(t *testing.T, dir string, f func(path string, info fs.FileInfo)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			f(path, info)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// treeOf is what is in a directory: names, modes, sizes, times.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	eachFile(t, dir, func(path string, info fs.FileInfo) {
		_, _ = fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
	})
	return b.String()
}
