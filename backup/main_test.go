package backup_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"projhost/backup"
	"projhost/db"
	"projhost/db/convert"
	"projhost/testenvs"
)

// childTask makes the test binary another program: "TASK|ENV|FILE|DSN".
const childTask = "BACKUP_TEST_TASK"

func TestMain(m *testing.M) {
	if task := os.Getenv(childTask); task != "" {
		if err := runChild(strings.Split(task, "|")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func runChild(task []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch task[0] {
	case "backup":
		fmt.Println("ready")
		_, err := backup.Create(ctx, task[1], task[2], backup.Options{})
		return err
	case "refused": // what a user may not read
		_, made := backup.Create(ctx, task[1], task[2], backup.Options{})
		_, copied := backup.Hotcopy(ctx, task[1], task[2]+"-hot", backup.Options{})
		fmt.Printf("ready\n%v\n%v\n", made, copied)
	case "restore":
		fmt.Println("ready")
		_, err := backup.Restore(ctx, task[2], task[1], backup.Options{Database: task[3]})
		return err
	case "convert":
		fmt.Println("ready")
		_, err := backup.Convert(ctx, task[1], task[3], backup.Options{})
		return err
	case "stuck": // is killed when the schema is whole and nobody uses it yet
		return stuck(task[1], task[3])
	case "write": // until its input ends
		d, err := db.Open(ctx, task[1], task[3], db.Options{})
		if err != nil {
			return err
		}
		defer func() { _ = d.Close() }()
		fmt.Println("ready")
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		for i := 1; ctx.Err() == nil; i++ {
			if err := pair(ctx, d, i); err != nil && ctx.Err() == nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// stuck converts up to where only trac.ini is to be changed, and waits for its end.
func stuck(dir, dsn string) error {
	from, err := db.Open(context.Background(), dir, "sqlite:db/trac.db", db.Options{})
	if err != nil {
		return err
	}
	_, err = convert.Copy(context.Background(), from, dir, dsn, convert.Options{Alone: true, For: dir, Then: func(*convert.Report) error {
		fmt.Println("ready")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}})
	return err
}

// child starts another program, and waits until it is ready.
func child(t *testing.T, task ...string) (cmd *exec.Cmd, stop func()) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+strings.Join(task, "|"))
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewReader(out)
	if first, err := lines.ReadString('\n'); first != "ready\n" {
		t.Fatalf("the other program: %q, %v", first, err)
	}
	stop = sync.OnceFunc(func() {
		_ = in.Close()
		rest, _ := io.ReadAll(lines)
		_ = cmd.Wait()
		if len(rest) > 0 {
			t.Errorf("the other program: %s", rest)
		}
	})
	t.Cleanup(stop)
	return cmd, stop
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// pair writes one value into two rows, far apart, and adds a ticket.
func pair(ctx context.Context, d *db.DB, value int) error {
	return d.Write(ctx, func(tx *db.Tx) error {
		for _, key := range []string{"a", "zz"} {
			r, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", strconv.Itoa(value), key)
			if err == nil && r.Changed == 0 {
				_, err = tx.Exec("INSERT INTO system (name, value) VALUES (?, ?)", key, strconv.Itoa(value))
			}
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec("INSERT INTO ticket (summary, description) VALUES (?, ?)", fmt.Sprint("Ticket ", value), strings.Repeat("y", 500))
		return err
	})
}

func sha(s string) string {
	sum := sha1.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// attach adds an attachment as Trac does, and returns its file's name.
func attach(t *testing.T, dir, realm, parent, name, text string) string {
	t.Helper()
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{})
	must(t, err)
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO attachment (type, id, filename, size) VALUES (?, ?, ?, ?)", realm, parent, name, len(text))
		return err
	}))
	must(t, d.Close())
	file := sha(name)
	if i := strings.LastIndexByte(name, '.'); i >= 0 && !strings.ContainsFunc(name[i+1:], func(r rune) bool { return r > 'z' || r == ' ' }) {
		file += name[i:]
	}
	path := filepath.Join("files/attachments", realm, sha(parent)[:3], sha(parent), file)
	put(t, dir, path, text)
	return path
}

// put writes a file below dir.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(t, os.WriteFile(file, []byte(text), 0o644))
}

// read reads a file below dir, "" if it is not there.
func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// names lists all that is below dir.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if path != dir {
			list = append(list, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	}))
	return list
}

// environment makes one with an attachment and a file.
func environment(t *testing.T) (dir, work string) {
	t.Helper()
	work = testenvs.Parent(t)
	dir = testenvs.Make(t, work, "one", nil)
	attach(t, dir, "wiki", "WikiStart", "notes.txt", "some notes")
	put(t, dir, "htdocs/logo.png", strings.Repeat("logo", 1000))
	return dir, work
}

// create makes a backup that is right.
func create(t *testing.T, dir, file string) *backup.Report {
	t.Helper()
	r, err := backup.Create(t.Context(), dir, file, backup.Options{})
	must(t, err)
	return r
}

// verified fails unless a backup is right.
func verified(t *testing.T, file string) *backup.Report {
	t.Helper()
	r, err := backup.Verify(t.Context(), file, backup.Options{})
	must(t, err)
	for _, d := range r.Differences {
		t.Errorf("verify: %v", d)
	}
	return r
}

// value reads what pair wrote, which must be of one moment.
func value(t *testing.T, dir, file string) string {
	t.Helper()
	return valueIn(t, dir, "sqlite:"+file)
}

// valueIn is value of any database. The last ticket is of the same moment.
func valueIn(t *testing.T, dir, dsn string) (value string) {
	t.Helper()
	d, err := db.Open(t.Context(), dir, dsn, db.Options{ReadOnly: true})
	must(t, err)
	defer func() { must(t, d.Close()) }()
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Each(func(r db.Row) error {
			if value != "" && value != r.Text(0) {
				t.Errorf("two moments: %s and %s", value, r.Text(0))
			}
			value = r.Text(0)
			return nil
		}, "SELECT value FROM system WHERE name IN ('a', 'zz') UNION ALL"+
			" SELECT substr(summary, 8) FROM ticket WHERE id = (SELECT max(id) FROM ticket WHERE summary LIKE 'Ticket %')")
	}))
	return value
}
