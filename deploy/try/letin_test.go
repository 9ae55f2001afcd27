package try_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"projhost/deploy"
)

// letIn opens a directory to every user: a web server that root starts becomes
// another one, and so does projhost if the web server starts it.
func letIn(t *testing.T, dir string) {
	t.Helper()
	for up := filepath.Dir(dir); len(up) > len(os.TempDir()); up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o666
		if d.IsDir() {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tame takes back a name that a server cannot cope with, as its documentation
// says, and lets the user in that the server becomes.
func tame(t *testing.T, o *deploy.Options) {
	t.Helper()
	if o.Server != "apache" && o.Server != "lighttpd" {
		return
	}
	if o.Server == "apache" {
		o.RunDir = filepath.Dir(o.RunDir) // no "%" or "#" in the path of a socket
	}
	if o.Way == "htaccess" { // no blank in the path of a script of mod_fcgid's
		link := filepath.Join(o.RunDir, "site")
		if err := os.Symlink(o.Dir, link); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		o.Dir = link
	}
	if o.Group == "0" {
		o.Group = "www-data"
	}
}
