package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"projhost/db"
	"projhost/db/convert"
	"projhost/db/upgrade"
	"projhost/envs"
	"projhost/envs/tracini"
)

// ErrSame says that an environment has the database already that it shall get.
var ErrSame = errors.New("that is the environment's database already")

// Convert moves the environment at dir to another kind of database, which must
// not be there, or be an empty schema. Nobody can write to the former one
// meanwhile. It is left as it is; trac.ini is the last that changes, at once, and
// its former text is kept beside it, as trac.ini.convert_db-TIME. Whatever fails
// leaves the environment as it was and nothing of the other database.
//
// Who opened the environment before, and writes after that, writes to the former
// database until it looks at trac.ini again: within a second, for projhost, and at
// once if it could be told, see [envs.SaveConfig].
func Convert(ctx context.Context, dir, dsn string, o Options) (_ *Report, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("converting the database of %s: %w", dir, err)
		}
	}()
	file := envs.ConfigFile(dir)
	former, err := databaseOf(file)
	if err != nil {
		return nil, err
	}
	if former == dsn {
		return nil, ErrSame
	}
	from, err := db.Open(ctx, dir, former, db.Options{})
	if err != nil {
		return nil, err
	}
	report := &Report{}
	copied, err := convert.Copy(ctx, from, dir, dsn, convert.Options{
		Alone: true, Replace: o.ReplaceText, Progress: o.tables(report), For: dir,
		Then: func(*convert.Report) error {
			if now, err := databaseOf(file); err != nil || now != former { // somebody who was before us
				return errors.Join(err, errors.New("trac.ini has changed meanwhile"))
			}
			if path, ok := strings.CutPrefix(dsn, scheme); ok {
				path, _, _ = strings.Cut(path, "?")
				if !filepath.IsAbs(path) {
					path = filepath.Join(dir, path)
				}
				if err := lendLike(path, file); err != nil {
					return err
				}
			}
			return switchDatabase(ctx, dir, dsn)
		},
	})
	if err := errors.Join(err, from.Close()); err != nil {
		return nil, err
	}
	report.leftOf(copied.Left)
	report.Manifest = &Manifest{Database: Database{Version: copied.Version, Tables: copied.Rows()}}
	return report, nil
}

// databaseOf is what a trac.ini says.
func databaseOf(file string) (string, error) {
	config, err := tracini.Load(file)
	if err != nil {
		return "", err
	}
	return config.String("trac", "database"), nil
}

// lendLike gives a new file the owner and the mode of another.
func lendLike(file, other string) error {
	info, err := os.Stat(other)
	if err != nil {
		return err
	}
	return (&opened{like: info}).lend(file)
}

// switchDatabase makes a trac.ini name another database, after keeping it.
func switchDatabase(ctx context.Context, dir, dsn string) error {
	file := envs.ConfigFile(dir)
	kept, err := upgrade.Keep(file, fmt.Sprintf("%s.convert_db-%d", file, time.Now().Unix()))
	if err != nil {
		return err
	}
	err = envs.SaveConfig(ctx, dir, nil, tracini.Change{Section: "trac", Name: "database", Value: dsn})
	if err != nil {
		return errors.Join(err, os.Remove(kept))
	}
	return nil
}
