package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"projhost/backup"
	"projhost/db"
	"projhost/testenvs"
)

// TestDrill: an environment with all that is difficult, in use by this and
// another program, is backed up, verified, restored and compared.
func TestDrill(t *testing.T) {
	dir, work := environment(t)
	odd := map[string]string{
		attach(t, dir, "wiki", "Größe/Übersicht", "Ein Bild 100%.PNG", "picture"): "picture",
		attach(t, dir, "ticket", "1", "日本語.txt", "text"):                          "text",
		attach(t, dir, "milestone", "a b", "no extension", "none"):                "none",
		"htdocs/été & 100% \"x\".png":                                             "été",
		"htdocs/\xff\xfe not text":                                                "bytes",
		"htdocs/new\nline":                                                        "line",
		"htdocs/" + strings.Repeat("long ", 45):                                   "long",
		"htdocs/empty":                                                            "",
		"plugins/large.egg":                                                       strings.Repeat("0123456789", 300_000),
		"conf/users.htpasswd":                                                     "ana:x",
		"htdocs/deep/" + strings.Repeat("d/", 60) + "file":                        "deep",
	}
	for name, text := range odd {
		put(t, dir, name, text)
	}
	put(t, dir, "log/trac.log", "a log")
	put(t, dir, "db/sqlite.41.1700000000.bak", "an old backup")
	must(t, os.Chmod(filepath.Join(dir, "conf/trac.ini"), 0o640))
	must(t, os.Mkdir(filepath.Join(dir, "htdocs/closed"), 0o700))
	put(t, dir, "htdocs/closed/file", "in a directory that may not be written")
	must(t, os.Chmod(filepath.Join(dir, "htdocs/closed"), 0o550|fs.ModeSetgid))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "htdocs/closed"), 0o700) })
	must(t, os.Symlink("logo.png", filepath.Join(dir, "htdocs/link.png")))
	must(t, os.Symlink(filepath.Join(dir, "htdocs/logo.png"), filepath.Join(dir, "htdocs/absolute.png")))
	long := time.Date(2011, 2, 3, 4, 5, 6, 0, time.UTC)
	must(t, os.Chtimes(filepath.Join(dir, "htdocs/logo.png"), long, long))

	stop := hammer(t, dir, "sqlite:db/trac.db?journal_mode=WAL&synchronous=off")
	file := filepath.Join(work, "one backup.tar.gz")
	doing := map[string]bool{}
	made, err := backup.Create(t.Context(), dir, file, backup.Options{Progress: func(p backup.Progress) { doing[p.Doing] = true }})
	must(t, err)
	stop()
	if len(made.Warnings) > 0 || !doing["database"] || !doing["files"] {
		t.Error(made.Warnings, doing)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("mode", info.Mode(), err)
	}
	if r := verified(t, file); r.Manifest.Environment != "one" || r.Manifest.Database.Tables["attachment"] != 4 || len(r.Warnings) > 0 {
		t.Errorf("%+v", r)
	}
	to := filepath.Join(work, "restored")
	if _, err := backup.Restore(t.Context(), file, to, backup.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(to, "htdocs/closed"), 0o700) })
	for name, text := range odd {
		if read(t, to, name) != text {
			t.Errorf("%q is not as it was", name)
		}
	}
	if got := value(t, to, "db/trac.db"); got == "" {
		t.Error("what was in the WAL is lost")
	}
	for _, name := range []string{"log/trac.log", "db/sqlite.41.1700000000.bak", "db/trac.db-wal"} {
		if _, err := os.Stat(filepath.Join(to, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	for name, mode := range map[string]fs.FileMode{"conf/trac.ini": 0o640, "htdocs/closed": 0o550 | fs.ModeSetgid | fs.ModeDir, "log": 0o755 | fs.ModeDir, ".": 0o755 | fs.ModeDir} {
		if info, err := os.Stat(filepath.Join(to, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
	for _, name := range []string{"link.png", "absolute.png"} {
		if link, err := os.Readlink(filepath.Join(to, "htdocs", name)); err != nil || link != "logo.png" {
			t.Errorf("%s leads to %s, %v", name, link, err)
		}
	}
	if info, err := os.Stat(filepath.Join(to, "htdocs/logo.png")); err != nil || !info.ModTime().Equal(long) {
		t.Error("the time of a file is lost:", info.ModTime(), err)
	}
	registry := testenvs.Registry(t, work, registryOptions())
	opened(t, registry, to)
	for _, name := range names(t, work) {
		if strings.HasPrefix(name, ".") {
			t.Errorf("left behind: %s", name)
		}
	}
	// What tar knows of it is the environment, too.
	out, err := exec.Command("tar", "-xzf", file, "-O", "env/VERSION").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "Trac Environment Version 1") {
		t.Errorf("tar says %s, %v", out, err)
	}
}

// TestOwners: root gives files back to their owners.
func TestOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not run by root: owners are those of whoever restores")
	}
	dir, work := environment(t)
	uid := os.Geteuid()
	if uid == 0 {
		uid = 54321
		for _, name := range []string{"htdocs/logo.png", "htdocs", "db/trac.db", "."} {
			must(t, os.Lchown(filepath.Join(dir, name), uid, uid))
		}
	}
	file := filepath.Join(work, "file")
	create(t, dir, file)
	_, err := backup.Restore(t.Context(), file, filepath.Join(work, "two"), backup.Options{})
	must(t, err)
	_, err = backup.Hotcopy(t.Context(), dir, filepath.Join(work, "three"), backup.Options{})
	must(t, err)
	for _, copied := range []string{"two", "three"} {
		for _, name := range []string{"htdocs/logo.png", "htdocs", "db/trac.db", "."} {
			info, err := os.Stat(filepath.Join(work, copied, name))
			must(t, err)
			if got := ownerOf(info); got != uid {
				t.Errorf("%s of %s belongs to %d, not %d", name, copied, got, uid)
			}
		}
	}
}

// TestWhatIsElsewhere: a database, files and settings outside the environment.
func TestWhatIsElsewhere(t *testing.T) {
	work := testenvs.Parent(t)
	base := filepath.Join(work, "base.ini")
	must(t, os.WriteFile(base, []byte("[project]\nfooter = inherited\n"), 0o644))
	dsn := "sqlite:" + filepath.Join(work, "elsewhere/trac.db") + "?timeout=3"
	dir := testenvs.Make(t, work, "one", map[string]map[string]string{"trac": {"database": dsn}, "inherit": {"file": "../../base.ini"}})
	put(t, dir, "db/trac.db", "not the database")
	put(t, work, "disk/attachments/wiki/aaa/"+strings.Repeat("a", 40)+"/x.txt", "on another disk")
	must(t, os.Symlink(filepath.Join(work, "disk"), filepath.Join(dir, "files")))
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "htdocs/passwd")))
	must(t, os.Symlink("../../base.ini", filepath.Join(dir, "htdocs/base.ini")))
	listener, err := net.Listen("unix", filepath.Join(dir, "htdocs/socket"))
	must(t, err)
	defer func() { _ = listener.Close() }()
	d, err := db.Open(t.Context(), dir, dsn, db.Options{})
	must(t, err)
	must(t, pair(t.Context(), d, 1))
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO attachment (type, id, filename) VALUES ('wiki', 'Gone', 'gone.txt')")
		return err
	}))
	must(t, d.Close())

	file := filepath.Join(work, "file")
	made := create(t, dir, file)
	warned := strings.Join(made.Warnings, "\n")
	for _, want := range []string{"the database is at", "gone", "base.ini, which is not included", "htdocs/passwd", "htdocs/base.ini", "htdocs/socket"} {
		if want == "gone" {
			want = sha("gone.txt") + ".txt"
		}
		if !strings.Contains(strings.ToLower(warned), want) {
			t.Errorf("no warning of %s: %s", want, warned)
		}
	}
	verified(t, file)
	to := filepath.Join(work, "two")
	_, err = backup.Restore(t.Context(), file, to, backup.Options{})
	must(t, err)
	ini := read(t, to, "conf/trac.ini")
	if !strings.Contains(ini, "database = sqlite:db/2-trac.db?timeout=3\n") || strings.Contains(ini, "elsewhere") || value(t, to, "db/2-trac.db") != "1" {
		t.Error("not the copy's own database:", ini)
	}
	if read(t, to, "files/attachments/wiki/aaa/"+strings.Repeat("a", 40)+"/x.txt") != "on another disk" || read(t, to, "db/trac.db") != "not the database" {
		t.Error("files are missing:", names(t, to))
	}
	r := testenvs.Registry(t, work, registryOptions())
	if e := opened(t, r, to); e != filepath.Join(to, "db/2-trac.db") {
		t.Errorf("it opens %s", e)
	}

	// Where nobody has the inherited file, that is said, and is no difference.
	must(t, os.Remove(base))
	if r := verified(t, file); !strings.Contains(strings.Join(r.Warnings, "\n"), "base.ini, which is not here") {
		t.Error(r.Warnings)
	}
	if r, err := backup.Hotcopy(t.Context(), dir, filepath.Join(work, "three"), backup.Options{}); !errors.Is(err, backup.ErrPartial) || !strings.Contains(err.Error(), "socket") || len(r.Warnings) != 1 {
		t.Error(r, err)
	}
	if value(t, filepath.Join(work, "three"), "db/2-trac.db") != "1" || !strings.Contains(read(t, work, "three/conf/trac.ini"), "sqlite:db/2-trac.db") {
		t.Error("the hot copy is not whole")
	}
}

// TestAnothersDatabase: an archive whose trac.ini has been changed to name
// another's database does not get that opened, nor is it restored.
func TestAnothersDatabase(t *testing.T) {
	dir, work := environment(t)
	other := testenvs.Make(t, work, "other", nil)
	file := filepath.Join(work, "file")
	create(t, dir, file)
	forged := backup.Forge(t, file, "conf/trac.ini", func(text string) string {
		return strings.Replace(text, "sqlite:db/trac.db", "sqlite:"+other+"/db/trac.db", 1)
	})
	r, err := backup.Verify(t.Context(), forged, backup.Options{})
	if err != nil || len(r.Differences) != 1 || !strings.Contains(r.Differences[0].Found, other) {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := backup.Restore(t.Context(), forged, filepath.Join(work, "two"), backup.Options{}); !errors.Is(err, backup.ErrArchive) {
		t.Error(err)
	}
}

// TestForgedRows: a table that has lost a row since is found, though every sum
// is right.
func TestForgedRows(t *testing.T) {
	dir, work := environment(t)
	file := filepath.Join(work, "file")
	create(t, dir, file)
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{})
	must(t, err)
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("DELETE FROM wiki WHERE name = 'SecondPage'")
		return err
	}))
	must(t, d.Close())
	text := read(t, dir, "db/trac.db")
	forged := backup.Forge(t, file, "db/trac.db", func(string) string { return text })
	r, err := backup.Verify(t.Context(), forged, backup.Options{})
	if err != nil || len(r.Differences) != 1 || r.Differences[0].What != "table wiki" {
		t.Errorf("%+v, %v", r, err)
	}
	damaged := []byte(text)
	for i := range damaged[len(damaged)/2:] {
		damaged[len(damaged)/2+i] = 0xa5
	}
	forged = backup.Forge(t, file, "db/trac.db", func(string) string { return string(damaged) })
	r, err = backup.Verify(t.Context(), forged, backup.Options{})
	if err != nil || len(r.Differences) != 1 || r.Differences[0].What != "database" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestHotcopy(t *testing.T) {
	dir, work := environment(t)
	put(t, dir, "log/trac.log", "a log")
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "htdocs/passwd")))
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db?journal_mode=WAL", db.Options{})
	must(t, err)
	must(t, pair(t.Context(), d, 7)) // in the WAL
	for _, without := range []bool{false, true} {
		to := filepath.Join(work, fmt.Sprint("copy ", without))
		_, err := backup.Hotcopy(t.Context(), dir, to, backup.Options{NoDatabase: without})
		must(t, err)
		want := names(t, dir)
		want = slices.DeleteFunc(want, func(s string) bool {
			return strings.HasSuffix(s, "-wal") || strings.HasSuffix(s, "-shm") || without && s == "db/trac.db"
		})
		if got := names(t, to); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if read(t, to, "log/trac.log") != "a log" || read(t, to, "htdocs/logo.png") != read(t, dir, "htdocs/logo.png") {
			t.Error("files differ")
		}
		if link, err := os.Readlink(filepath.Join(to, "htdocs/passwd")); link != "/etc/passwd" {
			t.Error(link, err)
		}
		if !without && value(t, to, "db/trac.db") != "7" {
			t.Error("what was in the WAL is lost")
		}
	}
	must(t, d.Close())
	r := testenvs.Registry(t, work, registryOptions())
	opened(t, r, filepath.Join(work, "copy false"))
	if _, err := backup.Hotcopy(t.Context(), dir, filepath.Join(work, "copy true"), backup.Options{}); !errors.Is(err, backup.ErrExists) {
		t.Error(err)
	}
	for _, inside := range []string{"copy", "htdocs/copy"} {
		if _, err := backup.Hotcopy(t.Context(), dir, filepath.Join(dir, inside), backup.Options{}); err == nil {
			t.Errorf("copied into itself: %s", inside)
		}
	}
}

// TestUnreadable: without the right to read a file there is no backup, and a hot
// copy tells what it lacks.
func TestUnreadable(t *testing.T) {
	const nobody = 65534
	dir, work := environment(t)
	put(t, dir, "htdocs/secret/file", "x")
	put(t, dir, "htdocs/secret.txt", "x")
	self, err := os.ReadFile(os.Args[0])
	must(t, err)
	binary := filepath.Join(work, "test")
	must(t, os.WriteFile(binary, self, 0o755))
	for d := work; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	to := filepath.Join(work, "to")
	must(t, os.Mkdir(to, 0o777))
	must(t, os.Chmod(to, 0o777))
	must(t, os.Chmod(filepath.Join(dir, "conf/trac.ini"), 0o644))
	cmd := exec.Command(binary)
	cmd.Dir = to
	cmd.Env = append(os.Environ(), childTask+"=refused|"+dir+"|"+filepath.Join(to, "file"))
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = asUser(nobody)
	}
	for _, name := range []string{"htdocs/secret", "htdocs/secret.txt"} {
		must(t, os.Chmod(filepath.Join(dir, name), 0))
	}
	out, err := cmd.CombinedOutput()
	must(t, os.Chmod(filepath.Join(dir, "htdocs/secret"), 0o755))
	lines := strings.Split(string(out), "\n")
	if err != nil || len(lines) < 5 || !strings.Contains(lines[1], "permission denied") || !strings.Contains(lines[2], "The following errors") ||
		!strings.Contains(string(out), "htdocs/secret: it may not be read") || !strings.Contains(string(out), "htdocs/secret.txt: permission denied") {
		t.Errorf("%v: %s", err, out)
	}
	if list, err := os.ReadDir(to); err != nil || len(list) != 1 || read(t, to, "file-hot/htdocs/logo.png") == "" {
		t.Errorf("made %v, %v", list, err)
	}
}

func TestRefused(t *testing.T) {
	dir, work := environment(t)
	file := filepath.Join(work, "file")
	create(t, dir, file)
	before := names(t, work)
	_, err := backup.Create(t.Context(), dir, file, backup.Options{})
	if !errors.Is(err, backup.ErrExists) {
		t.Error(err)
	}
	for _, bad := range []string{filepath.Join(dir, "htdocs/file"), filepath.Join(work, "none/file")} {
		if _, err := backup.Create(t.Context(), dir, bad, backup.Options{}); err == nil {
			t.Errorf("written to %s", bad)
		}
	}
	if _, err := backup.Create(t.Context(), work, filepath.Join(work, "x"), backup.Options{}); err == nil {
		t.Error("no environment was backed up")
	}
	if _, err := backup.Restore(t.Context(), file, dir, backup.Options{}); !errors.Is(err, backup.ErrExists) {
		t.Error(err)
	}
	if _, err := backup.Restore(t.Context(), file, filepath.Join(work, "two"), backup.Options{MaxBytes: 100_000}); !errors.Is(err, backup.ErrArchive) {
		t.Error(err)
	}
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(20*time.Millisecond))
		if _, err := backup.Create(ctx, dir, file, backup.Options{Replace: true}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := backup.Verify(ctx, file, backup.Options{TempDir: work}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		to := filepath.Join(work, "three")
		if _, err := backup.Restore(ctx, file, to, backup.Options{}); err == nil {
			must(t, os.RemoveAll(to))
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
		verified(t, file)
	}
	if after := names(t, work); !slices.Equal(before, after) {
		t.Errorf("%q, was %q", after, before)
	}
	must(t, os.Mkdir(filepath.Join(work, "empty"), 0o755))
	_, err = backup.Restore(t.Context(), file, filepath.Join(work, "empty"), backup.Options{})
	must(t, err)
}

// countdown is a context that ends when it has been looked at so many times.
type countdown struct {
	context.Context
	end  context.CancelFunc
	left atomic.Int64
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		c.end()
	}
	return c.Context.Err()
}

// TestEnded: wherever the time is up, an environment that was opened is closed
// again; TestMain finds what is left of one.
func TestEnded(t *testing.T) {
	dir, work := environment(t)
	file := filepath.Join(work, "file")
	create(t, dir, file)
	for n, ended := int64(0), true; ended; n++ {
		inner, cancel := context.WithCancel(t.Context())
		ctx := &countdown{Context: inner, end: cancel}
		ctx.left.Store(n)
		_, err := backup.Verify(ctx, file, backup.Options{TempDir: work})
		if ended = err != nil; ended && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cancel()
	}
}

// TestKilled: a backup that is killed leaves no file of its name, or a whole one.
func TestKilled(t *testing.T) {
	dir, work := environment(t)
	put(t, dir, "plugins/large.egg", string(noise(4<<20)))
	there := 0
	const kills = 40
	for i := range kills {
		to := filepath.Join(work, fmt.Sprint("to", i))
		must(t, os.Mkdir(to, 0o755))
		file := filepath.Join(to, "file")
		cmd, stop := child(t, "backup", dir, file)
		time.Sleep(rand.N(120 * time.Millisecond))
		_ = cmd.Process.Kill()
		stop()
		if _, err := os.Stat(file); err == nil {
			there++
			verified(t, file)
		}
		for _, e := range names(t, to) {
			if e != "file" && !strings.HasPrefix(e, ".file.tmp-") {
				t.Errorf("left behind: %s", e)
			}
		}
		must(t, os.RemoveAll(to))
	}
	t.Logf("%d of %d were whole", there, kills)
	if there == kills {
		t.Error("no backup was killed in time: this tests nothing")
	}
	verified(t, func() string {
		file := filepath.Join(work, "at last")
		create(t, dir, file)
		return file
	}())
}

// noise is what cannot be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

// TestDamage: whatever happens to the bytes of an archive is noticed, and never
// restored.
func TestDamage(t *testing.T) {
	dir, work := environment(t)
	file := filepath.Join(work, "file")
	create(t, dir, file)
	good, err := os.ReadFile(file)
	must(t, err)
	damaged := filepath.Join(work, "damaged")
	try := func(what string, text []byte) {
		t.Helper()
		must(t, os.WriteFile(damaged, text, 0o600))
		r, err := backup.Verify(t.Context(), damaged, backup.Options{})
		if err != nil || len(r.Differences) == 0 {
			t.Errorf("%s: verify says %+v, %v", what, r, err)
		}
		if _, err := backup.Restore(t.Context(), damaged, filepath.Join(work, "two"), backup.Options{}); !errors.Is(err, backup.ErrArchive) {
			t.Errorf("%s: restored, %v", what, err)
		}
	}
	flip := func(i int, bit uint) []byte {
		text := slices.Clone(good)
		text[i] ^= 1 << bit
		return text
	}
	for i := range 20 { // the heads of gzip and tar
		try(fmt.Sprint("byte ", i), flip(i, uint(i)%8))
	}
	for i := 20; i < len(good)-200; i += len(good) / 40 {
		try(fmt.Sprint("byte ", i), flip(i, uint(i)%8))
	}
	for i := len(good) - 140; i < len(good); i++ { // the manifest's end, and all of the sum
		try(fmt.Sprint("byte ", i, " of ", len(good)), flip(i, uint(i)%8))
	}
	for _, n := range []int{0, 1, 10, 100, len(good) / 2, len(good) - 118, len(good) - 1} {
		try(fmt.Sprint("cut at ", n), good[:n])
	}
	try("longer", append(slices.Clone(good), 0))
	try("twice", append(slices.Clone(good), good...))
	try("text", []byte(strings.Repeat("text ", 100)))
	if list := names(t, work); slices.Contains(list, "two") {
		t.Error("something was restored")
	}
	if !bytes.Equal(good, func() []byte { b, _ := os.ReadFile(file); return b }()) {
		t.Error("the good one was changed")
	}
}
