package dispatch_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"projhost/db"
	"projhost/testenvs"
)

// TestLockedDatabase: while somebody keeps everybody out of a database, its
// visitors get 503 with Retry-After once the time for waiting is over, and the
// pages again afterwards; other projects do not notice.
func TestLockedDatabase(t *testing.T) {
	h := newHost(t, nil, nil, "other")
	for _, name := range []string{"open", "closed"} {
		testenvs.Make(t, h.Parent, name, map[string]map[string]string{"trac": {"database": "sqlite:db/trac.db?timeout=0.2"}})
	}
	page := func(name string) int { return h.Get("/" + name + "/wiki/SecondPage").Code }
	if page("open") != 200 {
		t.Fatal(h.Log)
	}
	for _, name := range []string{"open", "closed"} {
		d, err := db.Open(t.Context(), h.Parent, "sqlite:"+name+"/db/trac.db", db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		enough := errors.New("enough")
		err = d.Write(context.Background(), func(tx *db.Tx) error {
			for _, statement := range []string{"COMMIT", "BEGIN EXCLUSIVE"} {
				if _, err := tx.Exec(statement); err != nil {
					return err
				}
			}
			start := time.Now()
			w := h.Get("/" + name + "/wiki/SecondPage")
			if after, err := strconv.Atoi(w.Header().Get("Retry-After")); w.Code != 503 || err != nil || after < 1 {
				t.Errorf("%s: status %d, Retry-After %q: %s", name, w.Code, w.Header().Get("Retry-After"), h.Log)
			}
			if took := time.Since(start); took < 150*time.Millisecond || took > 5*time.Second {
				t.Errorf("%s: answered after %v", name, took)
			}
			if body := w.Body.String(); strings.Contains(body, "SQLite") || strings.Contains(body, h.Parent) {
				t.Errorf("%s: the page tells too much: %s", name, body)
			}
			if !strings.Contains(h.Log.String(), string(db.ErrBusy)) {
				t.Errorf("%s: the log does not say why: %s", name, h.Log)
			}
			if page("other") != 200 {
				t.Error("another project suffers")
			}
			return enough
		})
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if code := page(name); code != 200 {
			t.Errorf("%s: status %d after the lock was gone: %s", name, code, h.Log)
		}
	}
}
