package envs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"projhost/db"
	"projhost/db/pgtest"
	"projhost/db/schema"
	"projhost/envs"
	"projhost/envs/defaults"
	"projhost/envs/tracini"
	"projhost/testenvs"
)

// query returns the rows of a query, columns parted by "|", NULL as "-".
func query(t *testing.T, d *db.DB, columns int, sql string, args ...any) (rows []string) {
	t.Helper()
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Each(func(r db.Row) error {
			var row []string
			for i := range columns {
				value := r.Text(i)
				if r.Null(i) {
					value = "-"
				}
				row = append(row, value)
			}
			rows = append(rows, strings.Join(row, "|"))
			return nil
		}, sql, args...)
	}))
	return rows
}

// openDB opens an environment's database to look at it.
func openDB(t *testing.T, dir string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), dir, "sqlite:db/trac.db", db.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

func load(t *testing.T, dir string) *tracini.Config {
	t.Helper()
	c, err := tracini.Load(filepath.Join(dir, "conf/trac.ini"))
	must(t, err)
	return c
}

// entries lists a directory and all below, with modes.
func entries(t *testing.T, dir string) (list []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			list = append(list, fmt.Sprintf("%s %o", rel, info.Mode().Perm()))
		}
		return err
	}))
	return list
}

// TestCreateWhole: what Trac's initenv makes is there.
func TestCreateWhole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "one")
	must(t, envs.Create(t.Context(), dir, envs.CreateOptions{
		Whole: true, Settings: map[string]map[string]string{"project": {"name": "One"}, "wiki": {"Max_Size": "7"}},
		Pages: map[string]string{"SandBox": "our own"},
	}))
	want := []string{"README 644", "VERSION 644", "conf 755", "conf/trac.ini 600", "conf/trac.ini.sample 644", "db 755", "db/trac.db 644",
		"htdocs 755", "log 755", "plugins 755", "templates 755", "templates/site_footer.html.sample 644",
		"templates/site_head.html.sample 644", "templates/site_header.html.sample 644"}
	if d := cmp.Diff(want, entries(t, dir)); d != "" {
		t.Error(d)
	}
	c := load(t, dir)
	for o := range tracini.Options() {
		want := o.Initial
		switch o.Section + " " + o.Name {
		case "project name":
			want = "One"
		case "wiki max_size":
			want = "7"
		}
		if value, ok := c.Lookup(o.Section, o.Name); ok != o.Written || value != want && ok {
			t.Errorf("[%s] %s is %q (%v), want %q (%v)", o.Section, o.Name, value, ok, want, o.Written)
		}
	}
	if value, _ := c.Lookup("ticket-workflow", "resolve"); value != "new,assigned,accepted,reopened -> closed" {
		t.Errorf("the workflow has resolve = %q", value)
	}
	d := openDB(t, dir)
	numbers := map[string]int{}
	for _, table := range schema.Tables() {
		if n := len(query(t, d, 1, "SELECT 1 FROM "+table)); n > 0 {
			numbers[table] = n
		}
	}
	rows := map[string]int{"system": 2, "permission": 16, "enum": 13, "component": 2, "milestone": 4, "version": 2, "report": 8, "wiki": 60, "cache": 2}
	if d := cmp.Diff(rows, numbers); d != "" {
		t.Error("rows:", d)
	}
	if got := query(t, d, 4, "SELECT name, author, readonly, comment FROM wiki WHERE name IN ('SandBox', 'WikiStart', 'TracIni') ORDER BY name"); !slices.Equal(got,
		[]string{"SandBox|trac|0|", "TracIni|trac|1|-", "WikiStart|trac|0|-"}) {
		t.Error(got)
	}
	if got := query(t, d, 2, "SELECT name, text FROM wiki WHERE name = 'SandBox'"); !slices.Equal(got, []string{"SandBox|our own"}) {
		t.Error(got)
	}
}

// TestCreateInherit: with inherited files, no default is written, but what no
// default does for is; what is given replaces free sections as a whole.
func TestCreateInherit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "one")
	must(t, envs.Create(t.Context(), dir, envs.CreateOptions{
		Whole: true, NoData: true, Inherit: []string{"../../shared.ini", "/etc/x.ini"},
		Settings: map[string]map[string]string{"ticket-workflow": {"go": "new -> closed"}},
	}))
	c := load(t, dir)
	if got := c.Sections(); !slices.Equal(got, []string{"inherit", "mainnav", "metanav", "notification-subscriber", "ticket-workflow", "trac"}) {
		t.Error(got)
	}
	if got := c.List("inherit", "file"); !slices.Equal(got, []string{"../../shared.ini", "/etc/x.ini"}) {
		t.Error(got)
	}
	n := 0
	for name := range c.Section("ticket-workflow") {
		n++
		if name != "go" {
			t.Errorf("the workflow has %s as well", name)
		}
	}
	if n != 1 {
		t.Errorf("the workflow has %d options", n)
	}
	d := openDB(t, dir)
	for table, want := range map[string]string{"permission": "0", "enum": "0", "component": "0", "milestone": "0", "version": "0", "report": "0", "wiki": "60", "system": "2"} {
		if got := query(t, d, 1, "SELECT COUNT(*) FROM "+table)[0]; got != want {
			t.Errorf("%s has %s rows", table, got)
		}
	}
}

// TestCreateInEmpty: an empty directory is filled, and stays as it was if that
// fails.
func TestCreateInEmpty(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "one")
	must(t, os.Mkdir(dir, 0o750))
	bad := envs.CreateOptions{Settings: map[string]map[string]string{"trac": {"database": "postgres://h/d"}}}
	if err := envs.Create(t.Context(), dir, bad); err == nil {
		t.Error("made without a database")
	}
	if got := entries(t, parent); !slices.Equal(got, []string{"one 750"}) {
		t.Errorf("left behind: %v", got)
	}
	must(t, envs.Create(t.Context(), dir, envs.CreateOptions{}))
	got := entries(t, parent)
	if want := []string{"one 750", "one/README 644", "one/VERSION 644", "one/conf 755", "one/conf/trac.ini 600", "one/db 755",
		"one/db/trac.db 644", "one/htdocs 755", "one/log 755", "one/plugins 755", "one/templates 755"}; !slices.Equal(got, want) {
		t.Errorf("made %v", got)
	}
	if err := envs.Create(t.Context(), dir, envs.CreateOptions{}); err == nil || !strings.Contains(err.Error(), "environment already") {
		t.Error(err)
	}
	full := filepath.Join(parent, "full")
	must(t, os.MkdirAll(filepath.Join(full, "something"), 0o755))
	if err := envs.Create(t.Context(), full, envs.CreateOptions{}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Error(err)
	}
	must(t, os.WriteFile(filepath.Join(parent, "file"), nil, 0o644))
	if err := envs.Create(t.Context(), filepath.Join(parent, "file"), envs.CreateOptions{}); err == nil {
		t.Error("made in the place of a file")
	}
}

// TestCreateOutside: a database that is not inside the environment goes with
// it if making it fails, and one that was there stays.
func TestCreateOutside(t *testing.T) {
	for _, exists := range []bool{false, true} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "one")
		if exists {
			must(t, os.Mkdir(dir, 0o755))
		}
		o := envs.CreateOptions{Settings: map[string]map[string]string{"trac": {"database": "sqlite:../out.db"}}}
		must(t, envs.Create(t.Context(), dir, o))
		out := filepath.Join(parent, "out.db")
		if _, err := os.Stat(out); err != nil {
			t.Error(err)
		}
		if err := envs.Create(t.Context(), filepath.Join(parent, "two"), o); err == nil {
			t.Error("two environments with one database")
		}
		if _, err := os.Stat(out); err != nil {
			t.Error("the database of another was removed:", err)
		}
		o.Settings["trac"]["database"] = "sqlite:" + filepath.Join(parent, "sub/abs.db")
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // the file is made, and nothing can be written to it
		if err := envs.Create(ctx, filepath.Join(parent, "three"), o); err == nil {
			t.Error("made without time")
		}
		if _, err := os.Stat(filepath.Join(parent, "sub")); err != nil {
			t.Error("the database was not begun:", err)
		}
		for _, name := range []string{"two", "three", "sub/abs.db"} {
			if _, err := os.Lstat(filepath.Join(parent, name)); err == nil {
				t.Errorf("%s was left behind", name)
			}
		}
		o = envs.CreateOptions{Settings: map[string]map[string]string{"trac": {"database": "sqlite::memory:"}}}
		if err := envs.Create(t.Context(), filepath.Join(parent, "four"), o); err == nil {
			t.Error("made in memory")
		}
	}
}

// TestUpgradePages: pages get their present text as a new version, those of the
// project's own stay.
func TestUpgradePages(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "one")
	must(t, envs.Create(t.Context(), dir, envs.CreateOptions{Whole: true}))
	d := openDB(t, dir)
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		for _, s := range []string{
			"UPDATE wiki SET text = 'older' WHERE name IN ('TracGuide', 'WikiStart', 'SandBox', 'InterMapTxt')",
			"DELETE FROM wiki WHERE name IN ('TracIni', 'SandBox')",
		} {
			if _, err := tx.Exec(s); err != nil {
				return err
			}
		}
		return nil
	}))
	r := testenvs.Registry(t, parent, envs.Options{})
	e, release := acquire(t, r, locate(t, r, parent, "one"))
	defer release()
	for _, want := range [][]string{{"TracGuide", "TracIni"}, nil} {
		changed, err := envs.UpgradePages(t.Context(), e)
		must(t, err)
		if !slices.Equal(changed, want) {
			t.Errorf("changed %v, want %v", changed, want)
		}
	}
	if got := query(t, d, 4, "SELECT name, version, author, readonly FROM wiki WHERE name IN ('TracGuide', 'TracIni', 'WikiStart', 'SandBox') ORDER BY name, version"); !slices.Equal(got,
		[]string{"TracGuide|1|trac|1", "TracGuide|2|trac|1", "TracIni|1|trac|1", "WikiStart|1|trac|0"}) {
		t.Error(got)
	}
	generation := func(key string) string {
		return query(t, d, 1, "SELECT generation FROM cache WHERE key = ?", key)[0]
	}
	if p, m := generation("trac.wiki.api.WikiSystem.pages"), generation("trac.wiki.interwiki.InterWikiMap.interwiki_map"); p != "1" || m != "0" {
		t.Errorf("generations %s and %s", p, m)
	}
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("DELETE FROM wiki WHERE name = 'InterMapTxt'")
		return err
	}))
	changed, err := envs.UpgradePages(t.Context(), e)
	must(t, err)
	if !slices.Equal(changed, []string{"InterMapTxt"}) || generation("trac.wiki.interwiki.InterWikiMap.interwiki_map") != "1" {
		t.Errorf("changed %v", changed)
	}
}

// TestReports runs the default reports in both kinds of databases.
func TestReports(t *testing.T) {
	s := pgtest.Start(t)
	for _, dsn := range []string{"sqlite:db/trac.db", s.DSN("one")} {
		dir := filepath.Join(t.TempDir(), "one")
		must(t, envs.Create(t.Context(), dir, envs.CreateOptions{Whole: true, Settings: map[string]map[string]string{"trac": {"database": dsn}}}))
		d, err := db.Open(t.Context(), dir, dsn, db.Options{})
		must(t, err)
		reports(t, d)
		must(t, d.Close())
	}
	// What cannot be put in its place is taken back from the server, too.
	parent := t.TempDir()
	dir := filepath.Join(parent, "one")
	must(t, os.Mkdir(dir, 0o755))
	o := envs.CreateOptions{Whole: true, Settings: map[string]map[string]string{"trac": {"database": s.DSN("two")}}}
	var wg sync.WaitGroup
	wg.Go(func() { // somebody is in the way, who comes while it is being made
		pgtest.Eventually(t, "a half-made environment", func() bool {
			half, err := filepath.Glob(filepath.Join(dir, ".new-*"))
			return err == nil && len(half) > 0
		})
		if err := os.MkdirAll(filepath.Join(dir, "conf/other"), 0o755); err != nil {
			t.Error(err)
		}
	})
	err := envs.Create(t.Context(), dir, o)
	wg.Wait()
	if err == nil {
		t.Error("somebody else's directory was replaced")
	}
	if got := entries(t, parent); !slices.Equal(got, []string{"one 755", "one/conf 755", "one/conf/other 755"}) {
		t.Errorf("left behind: %v", got)
	}
	must(t, os.RemoveAll(filepath.Join(dir, "conf")))
	if tables := s.SQL("projects", "SELECT count(*) FROM pg_tables WHERE schemaname = 'two'"); tables != "0" {
		t.Errorf("%s tables were left behind", tables)
	}
	must(t, envs.Create(t.Context(), dir, o))
}

// reports compares tickets, groups and their order.
func reports(t *testing.T, d *db.DB) {
	t.Helper()
	tickets := []struct {
		id                                            int
		priority, owner, reporter, status, mile, vers any
	}{
		{1, "minor", "ana", "bo", "new", "m2", "1.0"},
		{2, "blocker", "bo", "ana", "accepted", "m1", nil},
		{3, "major", "ana", "ana", "closed", "m1", "2.0"},
		{4, "major", "ana", nil, "accepted", nil, "1.0"},
		{5, nil, nil, "cy", "new", "m1", "2.0"},
		{6, "critical", "bo", "cy", "closed", "m1", nil},
	}
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		for _, k := range tickets {
			_, err := tx.Exec("INSERT INTO ticket (id, type, time, changetime, priority, owner, reporter, status, milestone, version, summary) "+
				"VALUES (?, 'defect', ?, ?, ?, ?, ?, ?, ?, ?, 'x')", k.id, k.id*1000, k.id*1000, k.priority, k.owner, k.reporter, k.status, k.mile, k.vers)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec("INSERT INTO ticket_change (ticket, time, author, field, newvalue) VALUES (5, 1, 'ana', 'comment', 'hm')")
		return err
	}))
	want := []string{
		"2 4 1 5", "4/1.0 1/1.0 5/2.0 2/-", "2/Milestone m1 5/Milestone m1 1/Milestone m2 4/-", "4/ana 2/bo", "4/ana 2/bo",
		"1/m2 2/m1 5/m1 6/m1 3/m1 4/-", "4/Accepted 1/Owned 2/Reported 5/Commented", "4/My Tickets 1/My Tickets 2/Active Tickets 5/Active Tickets",
	}
	columns := []string{
		"ticket summary component version milestone type owner status created", "ticket summary component version type owner status created",
		"ticket summary component version type owner status created", "ticket summary component milestone type created",
		"ticket summary component milestone type created", "ticket summary component status resolution version type priority owner modified",
		"ticket summary component version milestone type priority created", "ticket summary component version milestone type owner status created",
	}
	for i, r := range defaults.Reports() {
		n := strings.Count(r.Query, "$USER")
		sql := strings.ReplaceAll(r.Query, "$USER", "?")
		args := slices.Repeat([]any{"ana"}, n)
		group := "'' AS __group__"
		if strings.Contains(sql, "__group__") {
			group = "__group__"
		}
		var got []string
		for _, row := range query(t, d, 2, "SELECT ticket, "+group+" FROM ("+sql+") AS r", args...) {
			got = append(got, strings.TrimSuffix(strings.ReplaceAll(row, "|", "/"), "/"))
		}
		if strings.Join(got, " ") != want[i] {
			t.Errorf("report %d: %q, want %q", i+1, strings.Join(got, " "), want[i])
		}
		// Columns that have no sign of being special are those people see.
		for c := range strings.FieldsSeq(columns[i]) {
			query(t, d, 1, "SELECT "+c+" FROM ("+sql+") AS r", args...)
		}
		if stored := query(t, d, 3, "SELECT id, title, query FROM report WHERE id = ?", i+1); !slices.Equal(stored, []string{fmt.Sprintf("%d|%s|%s", i+1, r.Title, r.Query)}) {
			t.Errorf("report %d is stored as %q", i+1, stored)
		}
	}
}

// madeByTrac is an archive of environments that a real Trac 1.6 made, beside
// the checkout, if it is there. TestCreateWhole shows the same without it.
const madeByTrac = "../../shared/trac16/envs.tar.gz"

// TestAgainstTrac compares with new environments made by Trac 1.6.
func TestAgainstTrac(t *testing.T) {
	if _, err := os.Stat(madeByTrac); err != nil {
		t.Log("no environments of a real Trac here")
		return
	}
	theirs := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", madeByTrac, "-C", theirs).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	ours := filepath.Join(t.TempDir(), "ours")
	for name, o := range map[string]envs.CreateOptions{
		"пустой":  {Settings: map[string]map[string]string{"project": {"name": "Пустой проект"}}},
		"private": {Settings: map[string]map[string]string{"project": {"name": "Private & locked"}}, Inherit: []string{"../../shared.ini"}},
	} {
		o.Whole = true
		must(t, os.RemoveAll(ours))
		must(t, envs.Create(t.Context(), ours, o))
		read := func(dir string) (list []string) {
			own, err := tracini.Own(filepath.Join(dir, "conf/trac.ini"))
			must(t, err)
			for _, s := range own {
				if !strings.HasSuffix(s.Name, "dump_path") { // where another database's driver was installed
					list = append(list, fmt.Sprintf("[%s] %s = %s", s.Section, s.Name, s.Value))
				}
			}
			return list
		}
		if d := cmp.Diff(read(filepath.Join(theirs, name)), read(ours)); d != "" {
			t.Errorf("%s: trac.ini: %s", name, d)
		}
		a, b := openDB(t, filepath.Join(theirs, name)), openDB(t, ours)
		for table, q := range map[string]string{
			"sqlite_master": "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY rowid",
			"system":        "SELECT name, value FROM system ORDER BY 1", "permission": "SELECT username, action FROM permission ORDER BY 1, 2",
			"enum": "SELECT type || name, value FROM enum ORDER BY 1", "component": "SELECT name, owner FROM component ORDER BY 1",
			"milestone": "SELECT name, due FROM milestone ORDER BY 1", "version": "SELECT name, time FROM version ORDER BY 1",
			"report": "SELECT id, title FROM report ORDER BY 1",
		} {
			if table == "permission" && name == "private" {
				continue // changed after it was made
			}
			if d := cmp.Diff(query(t, a, 2, q), query(t, b, 2, q)); d != "" {
				t.Errorf("%s: %s: %s", name, table, d)
			}
		}
	}
}
