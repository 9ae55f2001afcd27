package envs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"projhost/db"
	"projhost/db/schema"
	"projhost/envs/tracini"
)

// CreateOptions say what a new environment begins with.
type CreateOptions struct {
	// Settings are options of trac.ini, by section and name. What is not given
	// has Trac's default; [trac] database is "sqlite:db/trac.db".
	Settings map[string]map[string]string
	// Pages are wiki pages, by name.
	Pages map[string]string
	// Author is who wrote the pages; "" is "trac".
	Author string
	// Time is when; zero is now.
	Time time.Time
}

// defaultDatabase is Trac's: an SQLite file inside the environment.
const defaultDatabase = "sqlite:db/trac.db"

// Create makes an environment with an SQLite database of version 45 in dir,
// which must not be there. It makes all or nothing: the environment is built
// beside dir and moved into place when it is complete.
func Create(ctx context.Context, dir string, o CreateOptions) (err error) {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s is there already", dir)
	}
	parent, name := filepath.Split(filepath.Clean(dir))
	if err := CheckName(name); err != nil {
		return err
	}
	if parent == "" {
		parent = "."
	}
	// Hidden, so that no listing takes the half-made one for an environment.
	tmp, err := os.MkdirTemp(parent, "."+name+".new-")
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
	if err := fillDatabase(ctx, tmp, o); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
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
	for name, text := range map[string][]byte{
		versionFile: []byte(versionTag + "\n"),
		"README":    []byte("This directory holds a Trac environment.\nprojhost and Trac serve it.\n"),
		configFile:  ini,
	} {
		mode := os.FileMode(0o644)
		if name == configFile {
			mode = 0o640 // it may hold passwords
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, mode); err != nil {
			return err
		}
	}
	return nil
}

// settingsOf are the given settings and, where they do not name one, the database.
func settingsOf(o CreateOptions) func(yield func(tracini.Setting) bool) {
	return func(yield func(tracini.Setting) bool) {
		sections := maps.Clone(o.Settings)
		if sections == nil {
			sections = make(map[string]map[string]string)
		}
		trac := maps.Clone(sections["trac"])
		if trac == nil {
			trac = make(map[string]string)
		}
		if trac["database"] == "" {
			trac["database"] = defaultDatabase
		}
		sections["trac"] = trac
		for _, section := range slices.Sorted(maps.Keys(sections)) {
			for _, name := range slices.Sorted(maps.Keys(sections[section])) {
				if !yield(tracini.Setting{Section: section, Name: name, Value: sections[section][name]}) {
					return
				}
			}
		}
	}
}

// fillDatabase makes the tables and the rows of a new environment.
func fillDatabase(ctx context.Context, dir string, o CreateOptions) (err error) {
	dsn := defaultDatabase
	if given := o.Settings["trac"]["database"]; given != "" {
		dsn = given
	}
	d, err := db.Open(ctx, dir, dsn, db.Options{Create: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Write(ctx, func(tx *db.Tx) error {
		for _, statement := range schema.For(d.Kind()) {
			if _, err := tx.Exec(statement); err != nil {
				return fmt.Errorf("making the tables: %w", err)
			}
		}
		for _, rows := range append(schema.Defaults(), schema.System(), pageRows(o)) {
			for _, values := range rows.Values {
				if _, err := tx.Exec(rows.Insert(), values...); err != nil {
					return fmt.Errorf("filling the table %s: %w", rows.Table, err)
				}
			}
		}
		return nil
	})
}

func pageRows(o CreateOptions) schema.Rows {
	rows := schema.Rows{Table: "wiki", Columns: []string{"name", "version", "time", "author", "text", "comment", "readonly"}}
	at, author := o.Time, o.Author
	if at.IsZero() {
		at = time.Now()
	}
	if author == "" {
		author = "trac"
	}
	for _, name := range slices.Sorted(maps.Keys(o.Pages)) {
		rows.Values = append(rows.Values, []any{name, int64(1), at.UnixMicro(), author, o.Pages[name], "", int64(0)})
	}
	return rows
}
