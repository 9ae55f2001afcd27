package db_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"projhost/db"
	"projhost/db/schema"
)

// childTask, set in the environment of the test binary, makes it another
// program that uses a database: "TASK FILE".
const childTask = "DB_TEST_TASK"

func TestMain(m *testing.M) {
	if task, file, ok := strings.Cut(os.Getenv(childTask), " "); ok {
		os.Exit(runChild(task, file))
	}
	goleak.VerifyTestMain(m)
}

// runChild does what the test asked for. It says a line when it has done so,
// and ends when its input does.
func runChild(task, file string) int {
	ctx := context.Background()
	wait := func() {
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	o := db.Options{}
	if task == "serve" {
		o.WriteAt = schema.Version
	}
	d, err := db.Open(ctx, "/", "sqlite:"+file, o)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer func() { _ = d.Close() }()
	switch task {
	case "hold": // the right to write
		err = d.Write(ctx, func(*db.Tx) error { wait(); return nil })
	case "exclude": // readers too
		err = d.Write(ctx, func(tx *db.Tx) error {
			if err := spill(tx); err != nil {
				return err
			}
			wait()
			return nil
		})
	case "read":
		err = d.Read(ctx, func(tx *db.Tx) error {
			if _, err := tx.Generation("x"); err != nil {
				return err
			}
			wait()
			return nil
		})
	case "crash": // in the middle of writing, with another version in the file
		err = d.Write(ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", "44", "database_version"); err != nil {
				return err
			}
			if err := spill(tx); err != nil {
				return err
			}
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		})
	case "lock": // as nobody here would: readers too, from the first moment
		err = d.Write(ctx, func(tx *db.Tx) error { // BEGIN EXCLUSIVE is refused inside a transaction
			for _, statement := range []string{"COMMIT", "BEGIN EXCLUSIVE"} {
				if _, err := tx.Exec(statement); err != nil {
					return err
				}
			}
			wait()
			return nil
		})
	case "churn": // keeps writing
		err = churn(ctx, d)
	case "commit": // until it is killed
		err = commitForEver(ctx, d)
	case "serve":
		version, err := d.Version(ctx)
		fmt.Println(version, err)
		err = d.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO system (name, value) VALUES (?, ?)", "child", "wrote")
			return err
		})
		fmt.Println(err)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// spill changes so much that SQLite must write to the file before the commit.
func spill(tx *db.Tx) error {
	if _, err := tx.Exec("PRAGMA cache_size = 5"); err != nil {
		return err
	}
	for i := range 200 {
		_, err := tx.Exec("INSERT INTO wiki (name, version, text) VALUES (?, 1, ?)", fmt.Sprint("Spilled", i), strings.Repeat("x", 4000))
		if err != nil {
			return err
		}
	}
	_, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", "unfinished", "marker")
	return err
}

// child starts another program; stop ends it and returns what it said.
func child(t *testing.T, task, file string) (stop func() string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+task+" "+file)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewReader(out)
	first, _ := lines.ReadString('\n')
	stop = sync.OnceValue(func() string {
		_ = in.Close()
		rest, _ := io.ReadAll(lines)
		_ = cmd.Wait()
		return first + string(rest)
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// environment makes a directory with a database of Trac's tables.
func environment(tb testing.TB) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	create(tb, dir, "sqlite:db/trac.db")
	return dir
}

// create makes a database and closes it.
func create(tb testing.TB, dir, dsn string) (file string) {
	tb.Helper()
	d, err := db.Open(tb.Context(), dir, dsn, db.Options{Create: true})
	must(tb, err)
	must(tb, d.Write(tb.Context(), fill))
	file = d.File()
	must(tb, d.Close())
	return file
}

// fill makes the tables and the rows of a new environment, and a marker.
func fill(tx *db.Tx) error {
	for _, statement := range schema.SQLite() {
		if _, err := tx.Exec(statement); err != nil {
			return err
		}
	}
	marker := schema.Rows{Table: "system", Columns: []string{"name", "value"}, Values: [][]any{{"marker", "whole"}}}
	for _, rows := range append(schema.Defaults(), schema.System(), marker) {
		for _, values := range rows.Values {
			if _, err := tx.Exec(rows.Insert(), values...); err != nil {
				return err
			}
		}
	}
	return nil
}

// open opens a database and closes it at the end of the test.
func open(tb testing.TB, dir, dsn string, o db.Options) *db.DB {
	tb.Helper()
	d, err := db.Open(tb.Context(), dir, dsn, o)
	must(tb, err)
	tb.Cleanup(func() { must(tb, d.Close()) })
	return d
}

// system reads a value of the table system.
func system(tx *db.Tx, name string) (value string, err error) {
	_, err = tx.One(func(r db.Row) error {
		value = r.Text(0)
		return nil
	}, "SELECT value FROM system WHERE name = ?", name)
	return value, err
}

// marker reads the marker in a transaction of its own.
func marker(tb testing.TB, d *db.DB) string {
	tb.Helper()
	var value string
	must(tb, d.Read(tb.Context(), func(tx *db.Tx) (err error) {
		value, err = system(tx, "marker")
		return err
	}))
	return value
}

// files lists a directory: names, sizes and times.
func files(tb testing.TB, dir string) string {
	tb.Helper()
	list, err := os.ReadDir(dir)
	must(tb, err)
	var b strings.Builder
	for _, e := range list {
		info, err := e.Info()
		must(tb, err)
		fmt.Fprintln(&b, e.Name(), info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}

// setMode changes the journal mode of a closed database, as an administrator
// might.
func setMode(t *testing.T, dir, mode string) {
	t.Helper()
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db?journal_mode="+mode, db.Options{})
	must(t, err)
	must(t, d.Write(t.Context(), func(*db.Tx) error { return nil }))
	must(t, d.Close())
}

// journalMode is what SQLite says the mode is.
func journalMode(t *testing.T, d *db.DB) (mode string) {
	t.Helper()
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		if _, err := system(tx, "marker"); err != nil { // for a connection that has not looked at the file yet does not know
			return err
		}
		_, err := tx.One(func(r db.Row) error {
			mode = r.Text(0)
			return nil
		}, "PRAGMA journal_mode")
		return err
	}))
	return mode
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}
