package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"projhost/admin"
	"projhost/db"
	"projhost/envs"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"projhost": main})
}

// TestCommands runs the stories in testdata: command lines, what they print,
// and how they end. "mkenv DIR TITLE" makes an environment, "setversion DIR N"
// says that its tables are of version N.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mkenv": func(ts *testscript.TestScript, _ bool, args []string) {
				dir := ts.MkAbs(args[0])
				ts.Check(os.MkdirAll(filepath.Dir(dir), 0o755))
				ts.Check(envs.Create(context.Background(), dir, envs.CreateOptions{
					Settings: map[string]map[string]string{"project": {"name": args[1]}},
				}))
			},
			"setversion": func(ts *testscript.TestScript, _ bool, args []string) {
				d, err := db.Open(context.Background(), ts.MkAbs(args[0]), "sqlite:db/trac.db", db.Options{})
				ts.Check(err)
				ts.Check(d.Write(context.Background(), func(tx *db.Tx) error {
					_, err := tx.Exec("UPDATE system SET value = ? WHERE name = ?", args[1], "database_version")
					return err
				}))
				ts.Check(d.Close())
			},
		},
	})
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"version"}, exitOK},
		{[]string{"serve", "--nosuch"}, exitUsage},
		{[]string{"serve"}, exitUsage},
		{[]string{"nosuch"}, exitUsage},
		{[]string{"list", "/nosuch"}, exitFailure},
		{[]string{"check", "/nosuch"}, exitFailure},
		{[]string{"deploy", "/nosuch"}, exitUsage},
		{[]string{"admin", "/nosuch", "ticket"}, admin.ExitFailed},
	} {
		if got := run(t.Context(), c.args, io.Discard, io.Discard); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.args, got, c.want)
		}
	}
}

func TestBytes(t *testing.T) {
	for in, want := range map[string]string{"64MB": "64MB", "1024": "1KB", "1G": "1GB", "10 kb": "10KB", "7": "7"} {
		var b bytesValue
		if err := b.Set(in); err != nil || b.String() != want {
			t.Errorf("%q: %s, %v, want %s", in, b.String(), err, want)
		}
	}
	for _, in := range []string{"", "0", "-1", "x", "1TB", "99999999999999999999", "9999999999GB"} {
		if err := new(bytesValue).Set(in); err == nil {
			t.Errorf("%q is allowed", in)
		}
	}
}
