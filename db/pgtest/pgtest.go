// Package pgtest starts PostgreSQL servers for tests: a temporary cluster of an
// unprivileged user, on a unix socket.
package pgtest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// TB is what of testing.TB is needed, so that a TestMain can have a server, too.
type TB interface {
	Helper()
	Cleanup(f func())
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Server is a running cluster with one database, "projects".
type Server struct {
	Dir  string // of its socket and its files
	tb   TB
	bin  string
	cred *syscall.Credential // who runs it; nil is who runs the test
	user string
}

// Start makes a cluster and starts it; it ends with the test. settings are lines
// of postgresql.conf, such as "max_connections = 30".
func Start(tb TB, settings ...string) *Server {
	tb.Helper()
	s := &Server{tb: tb, bin: binaries(tb)}
	me, err := user.Current()
	if err != nil {
		tb.Fatal(err)
	}
	s.user = me.Username
	if os.Getuid() == 0 { // which PostgreSQL refuses to run as
		s.become(tb, "postgres")
	}
	if s.Dir, err = os.MkdirTemp("", "pg"); err != nil { // short, for the socket's name
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(s.Dir) })
	if s.cred != nil {
		if err := os.Chown(s.Dir, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Chmod(s.Dir, 0o755); err != nil { //nolint:gosec // others connect to its socket
		tb.Fatal(err)
	}
	s.run("initdb", "--pgdata", s.data(), "--no-sync", "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--username", s.user)
	text := strings.Join(append([]string{
		"listen_addresses = ''", "unix_socket_directories = '" + s.Dir + "'", "fsync = off", "logging_collector = off",
	}, settings...), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(s.data(), "postgresql.auto.conf"), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	if s.cred != nil {
		if err := os.Chown(filepath.Join(s.data(), "postgresql.auto.conf"), int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	s.Up()
	tb.Cleanup(s.Down)
	s.SQL("postgres", "CREATE DATABASE projects")
	return s
}

// binaries is where Debian has the newest server's programs.
func binaries(tb TB) string {
	tb.Helper()
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(all) == 0 {
		tb.Fatal("PostgreSQL is not installed: run `make deps`")
	}
	slices.SortFunc(all, func(a, b string) int { return len(a) - len(b) })
	return filepath.Dir(all[len(all)-1])
}

func (s *Server) become(tb TB, name string) {
	tb.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		tb.Fatal(err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		tb.Fatal(err)
	}
	s.user, s.cred = name, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

func (s *Server) run(name string, args ...string) string {
	s.tb.Helper()
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.tb.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Up starts the server, if it is down.
func (s *Server) Up() {
	s.tb.Helper()
	s.run("pg_ctl", "start", "--pgdata", s.data(), "--wait", "--silent", "--log", filepath.Join(s.Dir, "log"))
}

// Down stops it at once, in the midst of what clients do.
func (s *Server) Down() {
	cmd := exec.Command(filepath.Join(s.bin, "pg_ctl"), "stop", "--pgdata", s.data(), "--mode", "fast", "--wait", "--silent")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	_ = cmd.Run() // it may be down already
}

// Standby restarts the server as one that can only be read, like a standby, until
// pg_promote().
func (s *Server) Standby() {
	s.tb.Helper()
	s.Down()
	signal := filepath.Join(s.data(), "standby.signal")
	if err := errors.Join(os.WriteFile(signal, nil, 0o600), os.Chmod(signal, 0o666)); err != nil { //nolint:gosec // its user opens it for writing
		s.tb.Fatal(err)
	}
	s.Up()
}

// DSN is Trac's connection string for a schema.
func (s *Server) DSN(schema string) string {
	return "postgres://" + s.user + "@/projects?host=" + url.PathEscape(s.Dir) + "&schema=" + url.PathEscape(schema)
}

// bouncerPort is PgBouncer's, which is a part of its socket's name.
const bouncerPort = 6432

// Bouncer starts a PgBouncer in transaction mode, with so many connections to the
// server, and returns what DSN is by way of it.
func (s *Server) Bouncer(size int) (dsn func(schema string) string) {
	s.tb.Helper()
	config := filepath.Join(s.Dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
projects = host=%[1]s dbname=projects user=%[4]s
[pgbouncer]
listen_port = %[2]d
unix_socket_dir = %[1]s
auth_type = any
pool_mode = transaction
default_pool_size = %[3]d
max_client_conn = 200
`, s.Dir, bouncerPort, size, s.user)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil { //nolint:gosec // its user reads it
		s.tb.Fatal(err)
	}
	cmd := exec.Command("/usr/sbin/pgbouncer", "--quiet", config)
	cmd.Dir = s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	if err := cmd.Start(); err != nil {
		s.tb.Fatalf("%v: run `make deps`", err)
	}
	s.tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	Eventually(s.tb, "PgBouncer", func() bool {
		_, err := os.Stat(filepath.Join(s.Dir, fmt.Sprintf(".s.PGSQL.%d", bouncerPort)))
		return err == nil
	})
	return func(schema string) string {
		return strings.Replace(s.DSN(schema), "@/", fmt.Sprintf("@:%d/", bouncerPort), 1)
	}
}

// SQL runs a statement in a database and returns what psql prints, without
// decoration.
func (s *Server) SQL(database, statement string) string {
	s.tb.Helper()
	return strings.TrimSpace(s.run("psql", "--host", s.Dir, "--username", s.user, "--dbname", database,
		"--no-psqlrc", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", statement))
}

// Connections is how many connections to the database there are, but for the one
// that asks.
func (s *Server) Connections() int {
	s.tb.Helper()
	n, err := strconv.Atoi(s.SQL("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'projects'"))
	if err != nil {
		s.tb.Fatal(err)
	}
	return n
}

// Eventually waits until what holds.
func Eventually(tb TB, what string, holds func() bool) {
	tb.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain: %s", what)
		}
	}
}
