package envs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"projhost/db"
	"projhost/db/schema"
	"projhost/envs/envlog"
	"projhost/envs/tracini"
	"projhost/internal/stamp"
)

const (
	versionFile = "VERSION"
	configFile  = "conf/trac.ini"
	sampleFile  = "conf/trac.ini.sample"
	// versionTag is the first line of a VERSION file (Trac 0.11 and later).
	versionTag = "Trac Environment Version 1"
	// oldestSchema is the oldest version of the tables that is served, for
	// reading: that of Trac 1.0.
	oldestSchema = 29
)

// checkVersionFile reads the first line of dir's VERSION file.
func checkVersionFile(dir string) error {
	f, err := os.Open(filepath.Join(dir, versionFile))
	if err != nil {
		return fmt.Errorf("reading VERSION: %w", err)
	}
	defer func() { _ = f.Close() }()
	line, err := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading VERSION: %w", err)
	}
	if line = strings.TrimRight(line, " \t\r\n"); line != versionTag {
		return fmt.Errorf("VERSION says %.60q, not %q", line, versionTag)
	}
	return nil
}

// open opens the environment at l, altering nothing in it.
func (r *Registry) open(ctx context.Context, l Location) (*Env, error) {
	if err := checkVersionFile(l.dir); err != nil {
		return nil, err
	}
	config, err := tracini.Load(filepath.Join(l.dir, configFile))
	if err != nil {
		return nil, err
	}
	own := r.ownLog(l, config)
	log := own.Logger()
	d, version, err := r.openDB(ctx, l.dir, config, log)
	if err != nil {
		own.Close()
		return nil, err
	}
	e := &Env{
		loc:      l,
		config:   config,
		db:       d,
		version:  version,
		readOnly: r.readOnlyBy(config, version),
		ownLog:   own,
		log:      log,
		dbFile:   stamp.Of(d.File()),
	}
	e.warn()
	return e, nil
}

// ownLog is the environment's own log, as [logging] says. Where nothing is to be
// written, that is no file.
func (r *Registry) ownLog(l Location, config *tracini.Config) *envlog.Log {
	kind := config.Choice("logging", "log_type")
	if kind == "file" && r.declared(config) != ReadWrite {
		kind = "none"
	}
	return r.options.Logs.Open(envlog.Settings{
		Dir: l.dir, Project: config.String("project", "name"),
		Type: kind, File: config.String("logging", "log_file"),
		Level: config.Choice("logging", "log_level"), Format: config.String("logging", "log_format"),
	}, r.options.Log.With("env", l.Name()))
}

// maxWarnings bounds what the log says of one reading of the settings.
const maxWarnings = 20

// warn tells the log which settings do not fit their options, but no values: one
// may be a password in the wrong place.
func (e *Env) warn() {
	problems := e.config.Problems()
	for i, p := range problems {
		if i == maxWarnings {
			e.log.Warn("more settings do not fit their options; projhost check tells all", "more", len(problems)-i)
			return
		}
		e.log.Warn("a setting does not fit its option", "file", p.File, "line", p.Line, "section", p.Section, "option", p.Option, "problem", p.Problem)
	}
}

// ConfigFile is the trac.ini of the environment in dir.
func ConfigFile(dir string) string { return filepath.Join(dir, configFile) }

// saveWait is how long others may be busy with trac.ini.
const saveWait = 30 * time.Second

// SaveConfig makes changes in the trac.ini of the environment in dir, as
// [tracini.Save] does, and tells the processes that have it open. These are found
// at the database that it had before. Whether they could be told is no error: they
// look at the file once a second. Others that are at work on the file are waited for
// half a minute at most. budget bounds the connections; nil for a process
// that has no others.
func SaveConfig(ctx context.Context, dir string, budget *db.Budget, changes ...tracini.Change) error {
	file := ConfigFile(dir)
	former, unreadable := tracini.Load(file)
	within, cancel := context.WithTimeout(ctx, saveWait)
	defer cancel()
	if err := tracini.Save(within, file, changes...); err != nil || unreadable != nil {
		return err
	}
	_ = db.Tell(ctx, dir, former.String("trac", "database"), budget)
	return nil
}

// openDB opens the database; one that is only read is never written to.
func (r *Registry) openDB(ctx context.Context, dir string, config *tracini.Config, log *slog.Logger) (*db.DB, int, error) {
	d, err := db.Open(ctx, dir, config.String("trac", "database"), db.Options{
		ReadOnly: r.declared(config) != ReadWrite, WriteAt: schema.Version, Log: log, Budget: r.budget, Passing: !poolable(config),
	})
	if err != nil {
		return nil, 0, err
	}
	version, err := d.Version(ctx)
	if err == nil {
		err = checkSchema(version)
	}
	if err != nil {
		return nil, version, errors.Join(err, d.Close())
	}
	return d, version, nil
}

// poolable tells whether an environment's connections outlive a request, as
// [trac] poolable says; they do if it does not say so in words of Trac's.
func poolable(config *tracini.Config) bool {
	value, set := config.Lookup("trac", "poolable")
	yes, known := tracini.ParseBool(value)
	return !set || !known || yes
}

// errOldTables is in the chain of what says that an upgrade is needed.
var errOldTables = errors.New("older than Trac 1.0")

// checkSchema says what to do about tables that cannot be served.
func checkSchema(version int) error {
	switch {
	case version > schema.Version:
		return fmt.Errorf("the tables are of version %d; this program knows up to %d: use a newer one", version, schema.Version)
	case version < oldestSchema:
		return fmt.Errorf("the tables are of version %d, %w (%d): run \"projhost admin ENV upgrade\" first", version, errOldTables, oldestSchema)
	}
	return nil
}
