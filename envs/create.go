package envs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"projhost/db"
	"projhost/db/schema"
	"projhost/envs/defaults"
	"projhost/envs/tracini"
)

// CreateOptions say what a new environment begins with.
type CreateOptions struct {
	// Settings are options of trac.ini, by section and name. What is not given
	// has Trac's default; [trac] database is "sqlite:db/trac.db".
	Settings map[string]map[string]string
	// Inherit are files that trac.ini inherits from, as they are to stand there:
	// relative ones count from its directory.
	Inherit []string
	// Whole makes all that Trac's initenv makes: every option is written to
	// trac.ini, or with Inherit only those no default does for; default wiki
	// pages, reports, samples. Otherwise trac.ini holds Settings alone.
	Whole bool
	// NoData leaves out the rows that a project will want to choose itself:
	// permissions, components, milestones, versions, values of choice fields and
	// reports.
	NoData bool
	// Pages are wiki pages, by name.
	Pages map[string]string
	// Author is who wrote the pages; "" is "trac".
	Author string
	// Time is when; zero is now.
	Time time.Time
}

// defaultDatabase is Trac's: an SQLite file inside the environment.
const defaultDatabase = "sqlite:db/trac.db"

// Create makes an environment with a database of version 45 in dir, which must
// not be there, or be empty. It makes all or nothing: the environment
// is built beside dir, or inside if dir is there, and moved into place when it is
// complete.
func Create(ctx context.Context, dir string, o CreateOptions) (err error) {
	dir = filepath.Clean(dir)
	if err := CheckName(filepath.Base(dir)); err != nil {
		return err
	}
	empty, err := checkEmpty(dir)
	if err != nil {
		return err
	}
	// Hidden, so that no listing takes the half-made one for an environment.
	place, prefix := filepath.Dir(dir), "."+filepath.Base(dir)+".new-"
	if empty {
		place, prefix = dir, ".new-"
	}
	tmp, err := os.MkdirTemp(place, prefix)
	if err != nil {
		return fmt.Errorf("making an environment: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := writeTree(tmp, o); err != nil {
		return err
	}
	undo, err := fillDatabase(ctx, dir, tmp, o)
	if err == nil && empty {
		err = moveInto(dir, tmp)
	} else if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil && undo != nil {
		err = errors.Join(err, undo())
	}
	return err
}

// checkEmpty says whether there is a directory; it must be empty then.
func checkEmpty(dir string) (empty bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(dir); err == nil {
			return false, fmt.Errorf("%s is there already", dir)
		}
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%s is there already: %w", dir, err)
	case slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == versionFile }):
		return false, fmt.Errorf("%s is an environment already", dir)
	case len(entries) > 0:
		return false, fmt.Errorf("%s is there already, and not empty", dir)
	}
	return true, nil
}

// moveInto moves what is in tmp into dir above it. VERSION, which makes it an
// environment, comes last. Who made dir has chosen its owner and mode.
func moveInto(dir, tmp string) error {
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	last := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return e.Name() == versionFile })
	entries = append(slices.Delete(slices.Clone(entries), last, last+1), entries[last])
	for i, e := range entries {
		if err := os.Rename(filepath.Join(tmp, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			for _, e := range entries[:i] {
				err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
			}
			return err
		}
	}
	return os.Remove(tmp)
}

// writeTree writes an environment's directories and files but the database.
func writeTree(dir string, o CreateOptions) error {
	for _, sub := range []string{"conf", "db", "htdocs", "log", "plugins", "templates"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	ini, err := tracini.Format(settingsOf(o))
	if err != nil {
		return err
	}
	files := map[string][]byte{
		versionFile: []byte(versionTag + "\n"),
		"README":    []byte("This directory holds a Trac environment.\nprojhost and Trac serve it.\n"),
		configFile:  ini,
	}
	if o.Whole {
		if files[sampleFile], err = defaults.Sample(); err != nil {
			return err
		}
		templates, err := defaults.Templates()
		if err != nil {
			return err
		}
		for name, text := range templates {
			files["templates/"+name] = text
		}
	}
	for name, text := range files {
		mode := os.FileMode(0o644)
		if name == configFile {
			mode = 0o600 // it may hold passwords
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, mode); err != nil {
			return err
		}
	}
	return nil
}

// settingsOf are the given settings, those that come with them and, where they
// do not name one, the database.
func settingsOf(o CreateOptions) func(yield func(tracini.Setting) bool) {
	all := map[string]map[string]string{"trac": {"database": defaultDatabase}}
	put := func(section, name, value string) {
		if all[section] == nil {
			all[section] = map[string]string{}
		}
		all[section][strings.ToLower(name)] = value
	}
	if o.Whole {
		list := defaults.Participants()
		if len(o.Inherit) == 0 {
			list = defaults.Settings()
		}
		for _, s := range list {
			// What is given replaces these sections as a whole: half of one
			// workflow and half of another make none.
			free := s.Section == "ticket-workflow" || s.Section == "notification-subscriber"
			if !free || len(o.Settings[s.Section]) == 0 {
				put(s.Section, s.Name, s.Value)
			}
		}
	}
	for section, options := range o.Settings {
		for name, value := range options {
			if section != "trac" || name != "database" || value != "" {
				put(section, name, value)
			}
		}
	}
	if len(o.Inherit) > 0 {
		put("inherit", "file", strings.Join(o.Inherit, ",\n"))
	}
	return func(yield func(tracini.Setting) bool) {
		for _, section := range slices.Sorted(maps.Keys(all)) {
			for _, name := range slices.Sorted(maps.Keys(all[section])) {
				if !yield(tracini.Setting{Section: section, Name: name, Value: all[section][name]}) {
					return
				}
			}
		}
	}
}

// fillDatabase makes the database of the environment that will be at dir and is
// at tmp yet. undo, which may be nil, undoes what it has made outside.
func fillDatabase(ctx context.Context, dir, tmp string, o CreateOptions) (undo func() error, err error) {
	dsn := defaultDatabase
	if given := o.Settings["trac"]["database"]; given != "" {
		dsn = given
	}
	base := tmp
	path, _, _ := strings.Cut(strings.TrimPrefix(dsn, "sqlite:"), "?")
	if !filepath.IsLocal(path) {
		base = dir
	}
	d, err := db.Open(ctx, base, dsn, db.Options{Create: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	file := d.File()
	switch {
	case file == "" && d.Kind() == schema.KindSQLite:
		return nil, errors.New("a database in memory is gone as soon as it is made")
	case file != "" && base == dir:
		undo = func() error { return os.Remove(file) }
	}
	err = d.Write(ctx, func(tx *db.Tx) error { return fillTables(tx, d.Kind(), o) })
	if err == nil && file == "" {
		undo = func() error { return dropTables(ctx, dir, dsn) }
	}
	return undo, err
}

// dropTables empties a schema again.
func dropTables(ctx context.Context, dir, dsn string) error {
	d, err := db.Open(ctx, dir, dsn, db.Options{})
	if err != nil {
		return err
	}
	return errors.Join(d.Write(ctx, func(tx *db.Tx) error {
		for _, name := range schema.Tables() {
			if _, err := tx.Exec("DROP TABLE " + name); err != nil {
				return err
			}
		}
		return nil
	}), d.Close())
}

// fillTables makes the tables and the rows of a new environment.
func fillTables(tx *db.Tx, kind string, o CreateOptions) error {
	for _, statement := range schema.For(kind) {
		if _, err := tx.Exec(statement); err != nil {
			return fmt.Errorf("making the tables: %w", err)
		}
	}
	rows := []schema.Rows{schema.System()}
	if !o.NoData {
		rows = append(rows, schema.Defaults()...)
		if o.Whole {
			rows = append(rows, reportRows())
		}
	}
	for _, r := range append(rows, pageRows(o)) {
		for _, values := range r.Values {
			if _, err := tx.Exec(r.Insert(), values...); err != nil {
				return fmt.Errorf("filling the table %s: %w", r.Table, err)
			}
		}
	}
	if !o.Whole {
		return nil
	}
	_, err := loadPages(tx, o.time(), slices.Sorted(maps.Keys(o.Pages)))
	return err
}

func (o CreateOptions) time() time.Time {
	if o.Time.IsZero() {
		return time.Now()
	}
	return o.Time
}

func reportRows() schema.Rows {
	rows := schema.Rows{Table: "report", Columns: []string{"author", "title", "query", "description"}}
	for _, r := range defaults.Reports() {
		rows.Values = append(rows.Values, []any{nil, r.Title, r.Query, r.Description})
	}
	return rows
}

func pageRows(o CreateOptions) schema.Rows {
	rows := schema.Rows{Table: "wiki", Columns: []string{"name", "version", "time", "author", "text", "comment", "readonly"}}
	author := o.Author
	if author == "" {
		author = "trac"
	}
	for _, name := range slices.Sorted(maps.Keys(o.Pages)) {
		rows.Values = append(rows.Values, []any{name, int64(1), o.time().UnixMicro(), author, o.Pages[name], "", int64(0)})
	}
	return rows
}
