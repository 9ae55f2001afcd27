package upgrade_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"projhost/db"
	"projhost/db/schema"
)

// oldest lists the tables of Trac 0.11 (version 21): name, columns, key, and
// the columns of indices, all text unless marked.
func oldest() [][]string {
	return [][]string{
		{"system", "name, value", "name"},
		{"permission", "username, action", "username,action"},
		{"auth_cookie", "cookie, name, ipnr, time int", "cookie,ipnr,name"},
		{"session", "sid, authenticated int, last_visit int", "sid,authenticated", "last_visit", "authenticated"},
		{"session_attribute", "sid, authenticated int, name, value", "sid,authenticated,name"},
		{"attachment", "type, id, filename, size int, time int, description, author, ipnr", "type,id,filename"},
		{"wiki", "name, version int, time int, author, ipnr, text, comment, readonly int", "name,version", "time"},
		{"revision", "rev, time int, author, message", "rev", "time"},
		{"node_change", "rev, path, node_type, change_type, base_path, base_rev", "rev,path,change_type", "rev"},
		{"ticket", "id auto, type, time int, changetime int, component, severity, priority, owner, reporter, cc, " +
			"version, milestone, status, resolution, summary, description, keywords", "id", "time", "status"},
		{"ticket_change", "ticket int, time int, author, field, oldvalue, newvalue", "ticket,time,field", "ticket", "time"},
		{"ticket_custom", "ticket int, name, value", "ticket,name"},
		{"enum", "type, name, value", "type,name"},
		{"component", "name, owner, description", "name"},
		{"milestone", "name, due int, completed int, description", "name"},
		{"version", "name, time int, description", "name"},
		{"report", "id auto, author, title, query, description", "id"},
	}
}

// oldRows are rows of every table of version 21; "|" parts values, "-" is NULL.
const oldRows = `
system          database_version|21  initial_database_version|19  repository_dir|svn:uuid:/srv/svn  youngest_rev|12  myplugin_version|3
permission      anonymous|WIKI_VIEW  ana|TRAC_ADMIN
auth_cookie     c00k1e|ana|192.0.2.1|1262304000
session         ana|1|1262304001  0f|0|1262304002
session_attribute ana|1|email|ana@example.org
attachment      ticket|1|shot_1.png|10|1262304003|a_shot|ana|192.0.2.1  wiki|Größe/Ü|ä_~.tar.gz|20|1262304004|-|ana|-  wiki|Gone|lost.txt|5|0||bo|192.0.2.1
wiki            WikiStart|1|1262304005|ana|192.0.2.1|Hello|first|1  WikiStart|2|1262304006|bo|-|Hello_again|-|0
revision        1|1262304007|ana|one  12|1262304008|bo|twelve
node_change     1|trunk|D|A|-|-1  12|trunk/a|F|C|trunk/b|1
ticket          1|defect|1262304009|1262304010|component1|-|major|ana|bo||1.0|milestone1|new|-|It|broke|key
ticket_change   1|1262304010|ana|comment|1|hello  1|1262304010|ana|owner||ana
ticket_custom   1|colour|red
enum            priority|major|3  ticket_type|defect|1
component       component1|ana|-
milestone       milestone1|1262304011|0|-  milestone2|-|-|late
version         1.0|1262304012|first
report          3|-|All|SELECT_1|-
`

// newRows are the same rows after the upgrade, with those that steps add.
const newRows = `
system          database_version|45  initial_database_version|19  myplugin_version|3
permission      anonymous|WIKI_VIEW  ana|TRAC_ADMIN
auth_cookie     c00k1e|ana|192.0.2.1|1262304000
session         ana|1|1262304001  0f|0|1262304002
session_attribute ana|1|email|ana@example.org
cache
attachment      ticket|1|shot_1.png|10|1262304003000000|a_shot|ana  wiki|Größe/Ü|ä_~.tar.gz|20|1262304004000000|-|ana  wiki|Gone|lost.txt|5|0||bo
wiki            WikiStart|1|1262304005000000|ana|Hello|first|1  WikiStart|2|1262304006000000|bo|Hello_again|-|0
repository      1|name|  1|repository_dir|svn:uuid:/srv/svn  1|youngest_rev|12
revision        1|0000000001|1262304007000000|ana|one  1|0000000012|1262304008000000|bo|twelve
node_change     1|1|0000000001|trunk|D|A|-|-1  2|1|0000000012|trunk/a|F|C|trunk/b|1
ticket          1|defect|1262304009000000|1262304010000000|component1|-|major|ana|bo||1.0|milestone1|new|-|It|broke|key
ticket_change   1|1262304010000000|ana|comment|1|hello  1|1262304010000000|ana|owner||ana
ticket_custom   1|colour|red
enum            priority|major|3|-  ticket_type|defect|1|-
component       component1|ana|-
milestone       milestone1|1262304011000000|0|-  milestone2|-|-|late
version         1.0|1262304012000000|first
report          3|-|All|SELECT_1|-
notify_subscription
notify_watch
`

// oldINI is what version 21 has in trac.ini.
const oldINI = `# a comment
[components]
trac.versioncontrol.svn_prop.* = disabled
[notification]
always_notify_owner = true
always_notify_updater = false
ticket_subject_template = $prefix #$ticket.id: $summary for $$5 $${x}
[ticket-workflow]
create = new -> accepted
resolve = new,accepted -> closed
reassign = new -> assigned
[trac]
authz_file = /etc/svn.authz
database = sqlite:db/trac.db
mainnav = wiki, Tickets
permission_policies = AuthzPolicy, DefaultPermissionPolicy
repository_dir = /srv/svn
repository_type = svn
[authz_policy]
authz_file = conf/authz.conf
`

// newINI is the same after the upgrade, as Format writes it.
const newINI = `# -*- coding: utf-8 -*-

[authz_policy]
authz_file = authz.conf

[components]
trac.versioncontrol.svn_prop.* = disabled
tracopt.versioncontrol.svn.svn_fs.subversionconnector = enabled

[mainnav]
tickets.order = 2.0
wiki.order = 1.0

[metanav]
about.order = 5.0
help.order = 4.0
login.order = 1.0
logout.order = 2.0
prefs.order = 3.0

[notification]
ticket_subject_template = ${prefix} #${ticket.id}: ${summary} for $5 $${x}

[notification-subscriber]
always_notify_cc = CarbonCopySubscriber
always_notify_owner = TicketOwnerSubscriber

[repositories]
.dir = /srv/svn
.sync_per_request = true
.type = svn

[svn]
authz_file = /etc/svn.authz

[ticket-workflow]
create = new -> accepted
create_2 = <none> -> new
create_2.default = 1
create_and_assign = <none> -> assigned
create_and_assign.label = assign
create_and_assign.operations = may_set_owner
create_and_assign.permissions = TICKET_MODIFY
reassign = new -> assigned
resolve = new,accepted -> closed

[trac]
database = sqlite:db/trac.db
permission_policies = AuthzPolicy,DefaultWikiPolicy,DefaultTicketPolicy,DefaultPermissionPolicy

[versioncontrol]
default_repository_type = svn

`

// makeOldest makes an environment of version 21 with rows in every table.
func makeOldest(t *testing.T) (dir string) {
	t.Helper()
	return makeOldestIn(t, "sqlite:db/trac.db")
}

// makeOldestIn makes one whose database is another.
func makeOldestIn(t *testing.T, dsn string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "log"), 0o750))
	for name, text := range map[string]string{
		"VERSION": "Trac Environment Version 1\n", "conf/trac.ini": oldINI,
		"attachments/ticket/1/shot_1.png": "png", "attachments/wiki/Gr%C3%B6%C3%9Fe/%C3%9C/%C3%A4_%7E.tar.gz": "tgz",
	} {
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o750))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640))
	}
	d, err := db.Open(t.Context(), dir, dsn, db.Options{Create: true})
	must(t, err)
	must(t, d.Write(t.Context(), func(tx *db.Tx) error {
		for _, o := range oldest() {
			for _, s := range schema.Make(d.Kind(), o[0], o[1], o[2], o[3:]...) {
				if _, err := tx.Exec(s); err != nil {
					return err
				}
			}
		}
		for line := range strings.Lines(strings.TrimSpace(oldRows)) {
			table, rows, _ := strings.Cut(line, " ")
			for row := range strings.SplitSeq(strings.TrimSpace(rows), "  ") {
				marks, args := "", []any{}
				for value := range strings.SplitSeq(strings.TrimSpace(row), "|") {
					marks += ", ?"
					if value == "-" {
						args = append(args, nil)
					} else {
						args = append(args, value)
					}
				}
				if _, err := tx.Exec("INSERT INTO "+table+" VALUES ("+marks[2:]+")", args...); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	must(t, d.Close())
	return dir
}

// dump returns the rows of all tables, in the form of newRows.
func dump(t *testing.T, d *db.DB) map[string]string {
	t.Helper()
	tables := map[string]string{}
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		for _, table := range schema.Tables() {
			columns := schema.Columns(table)
			var rows []string
			err := tx.Each(func(r db.Row) error {
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
			}, "SELECT "+strings.Join(columns, ", ")+" FROM "+table)
			if err != nil {
				return err
			}
			slices.Sort(rows)
			tables[table] = strings.Join(rows, "  ")
		}
		return nil
	}))
	return tables
}

// made returns the statements that made all tables and indices, by name.
func made(t *testing.T, d *db.DB) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Each(func(r db.Row) error {
			all[r.Text(0)] = r.Text(1)
			return nil
		}, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
	}))
	return all
}

// fresh returns the statements of the present version, by name.
func fresh(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, s := range schema.SQLite() {
		all[strings.Fields(s)[2]] = s
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rows counts the rows of a table.
func rows(t *testing.T, d *db.DB, table string) (n int) {
	t.Helper()
	must(t, d.Read(t.Context(), func(tx *db.Tx) error {
		_, err := tx.One(func(r db.Row) error { n = int(r.Int(0)); return nil }, "SELECT COUNT(*) FROM "+table)
		return err
	}))
	return n
}
