package db

import (
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Kinds of database.
const (
	kindSQLite   = "sqlite"
	kindPostgres = "postgres"
	kindMySQL    = "mysql"
)

// defaultTimeout is how long Trac 1.6 waits for an SQLite lock.
const defaultTimeout = 10 * time.Second

// target is a connection string taken apart. Errors about one never hold it,
// for it may hold a password.
type target struct {
	kind        string
	path        string // SQLite: absolute, or ":memory:"
	timeout     time.Duration
	journalMode string // in capitals; "" leaves it as it is
	synchronous string // likewise

	// PostgreSQL. What is "" is libpq's choice: the local socket, the user of the
	// process, the password file.
	host, port, user, password, database string
	schema                               string
}

// memory is the path of a database that is nowhere but in memory.
const memory = ":memory:"

// parseTarget reads a connection string (Trac 1.6: "scheme:rest?name=value&…").
// A relative path of SQLite is below dir.
func parseTarget(dir, dsn string) (target, error) {
	scheme, rest, ok := strings.Cut(dsn, ":")
	if !ok {
		return target{}, malformed("it has no scheme, such as sqlite:")
	}
	t := target{kind: scheme}
	switch scheme {
	case kindSQLite:
	case kindPostgres:
		return t, t.parsePostgres(rest)
	case kindMySQL:
		return t, &problem{is: ErrNotServed, doing: scheme}
	default:
		return t, &problem{is: ErrNotServed, doing: "an unknown scheme"}
	}
	path, query, _ := strings.Cut(rest, "?")
	if path == "" {
		return t, malformed("it names no file")
	}
	if err := t.setPath(dir, path); err != nil {
		return t, err
	}
	return t, t.setParameters(query)
}

func malformed(why string) error { return &problem{is: ErrConnString, err: Problem(why)} }

// setPath takes the file from "rel/path", "/abs/path", "///abs/path" or ":memory:".
func (t *target) setPath(dir, path string) error {
	if path == memory {
		t.path = memory
		return nil
	}
	if after, ok := strings.CutPrefix(path, "//"); ok {
		if !strings.HasPrefix(after, "/") {
			return malformed("an SQLite file has no host")
		}
		path = after
	}
	if strings.ContainsRune(path, 0) {
		return malformed("the file's name holds a NUL")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return malformed("the file's directory is unknown")
	}
	t.path = abs
	return nil
}

// setParameters reads "name=value&…". Those that only mean something to Trac's
// own driver, such as cursor, are let pass.
func (t *target) setParameters(query string) error {
	t.timeout = defaultTimeout
	return eachParameter(query, func(name, value string) (err error) {
		switch name {
		case "timeout":
			t.timeout, err = seconds(value)
		case "journal_mode":
			t.journalMode = strings.ToUpper(value)
			if !oneOf(t.journalMode, "DELETE TRUNCATE PERSIST MEMORY WAL") {
				return malformed("journal_mode is none of DELETE, TRUNCATE, PERSIST, MEMORY, WAL")
			}
		case "synchronous":
			t.synchronous = strings.ToUpper(value)
			if !oneOf(t.synchronous, "OFF NORMAL FULL EXTRA 0 1 2 3") {
				return malformed("synchronous is none of OFF, NORMAL, FULL, EXTRA")
			}
		}
		return err
	})
}

// eachParameter calls f for each of "name=value&…".
func eachParameter(query string, f func(name, value string) error) error {
	if query == "" {
		return nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, raw, ok := strings.Cut(pair, "=")
		if !ok {
			return malformed("a parameter has no =")
		}
		value, err := url.PathUnescape(raw)
		if err != nil {
			return malformed("a parameter is badly quoted")
		}
		if err := f(name, value); err != nil {
			return err
		}
	}
	return nil
}

// defaultSchema is PostgreSQL's.
const defaultSchema = "public"

// parsePostgres reads "//user:password@host:port/database?schema=…&host=…"
// (Trac 1.6: trac/db/api.py). User, password and parameters are percent-encoded.
func (t *target) parsePostgres(rest string) error {
	rest, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return malformed("it does not begin with postgres://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	place, database, ok := strings.Cut(rest, "/")
	if who, where, found := strings.Cut(rest, "@"); found && ok {
		user, password, _ := strings.Cut(who, ":")
		var err1, err2 error
		t.user, err1 = url.PathUnescape(user)
		t.password, err2 = url.PathUnescape(password)
		if err1 != nil || err2 != nil {
			return malformed("the user or the password is badly quoted")
		}
		place, database, ok = strings.Cut(where, "/")
	}
	if !ok || database == "" {
		return malformed("it names no database")
	}
	t.database, t.schema = database, defaultSchema
	t.host, t.port, _ = strings.Cut(place, ":")
	if t.port != "" {
		if n, err := strconv.ParseUint(t.port, 10, 16); err != nil || n == 0 {
			return malformed("the port is not a number from 1 to 65535")
		}
	}
	return eachParameter(query, func(name, value string) error {
		switch name {
		case "schema":
			t.schema = value
		case "host":
			t.host = value
		}
		if strings.ContainsRune(value, 0) || value == "" && name == "schema" {
			return malformed("the parameter " + strconv.Quote(name) + " has no usable value")
		}
		return nil
	})
}

func oneOf(word, words string) bool {
	for w := range strings.FieldsSeq(words) {
		if w == word {
			return true
		}
	}
	return false
}

// seconds reads a timeout.
func seconds(value string) (time.Duration, error) {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(f) || f < 0 {
		return 0, malformed("timeout is not a number of seconds")
	}
	return time.Duration(min(f, 1e6) * float64(time.Second)), nil
}

// fileURI is path as a URI of SQLite's, whatever characters it holds.
func fileURI(path, parameters string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: parameters}
	return u.String()
}

var _ fmt.Stringer = target{}

// String is safe to show: a path, no password.
func (t target) String() string {
	if t.kind != kindPostgres {
		return t.kind + ":" + t.path
	}
	return t.server() + "?schema=" + t.schema
}

// server is the place of a PostgreSQL database, safe to show.
func (t target) server() string {
	place := t.host
	if t.port != "" {
		place += ":" + t.port
	}
	if t.user != "" {
		place = t.user + "@" + place
	}
	return t.kind + "://" + place + "/" + t.database
}
