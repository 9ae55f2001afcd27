package db_test

import (
	"strings"
	"testing"

	"projhost/db"
)

// TestDescribe says where databases are, and never their passwords.
func TestDescribe(t *testing.T) {
	b := db.NewBudget(db.BudgetOptions{Connections: 20})
	defer b.Close()
	for _, c := range []struct {
		dsn     string
		passing bool
		want    string
	}{
		{"sqlite:db/trac.db", false, "db/trac.db"},
		{"sqlite:/srv/one/db/trac.db?timeout=5", true, "db/trac.db"},
		{"sqlite:/srv/other/trac.db", false, "/srv/other/trac.db"},
		{"postgres://ana:secret@db.example:5433/trac?schema=one", false, "postgres://ana@db.example:5433/trac?schema=one, pool "},
		{"postgres://ana:secret@db.example/trac?schema=one", true, "postgres://ana@db.example/trac?schema=one, not pooled"},
		{"nonsense", false, ""},
		{"", true, ""},
	} {
		got := b.Describe("/srv/one", c.dsn, c.passing)
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" || strings.Contains(got, "secret") {
			t.Errorf("%s: %q, want %q", c.dsn, got, c.want)
		}
	}
	if got := b.Describe("/", "postgres:///trac?schema=one", false); !strings.HasSuffix(got, " of 20") {
		t.Errorf("%q does not tell how many pools there are", got)
	}
}
