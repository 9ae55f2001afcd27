package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"projhost/db"
	"projhost/db/schema"
	"projhost/db/upgrade"
	"projhost/envs/defaults"
	"projhost/envs/tracini"
)

func upgradeCommands() []Command {
	return []Command{
		{Name: "upgrade", Args: "[--no-backup | -b] [--dry-run]", Help: "Bring an older environment to the present version of the tables.",
			Flags: true, Needs: Directory, Run: runUpgrade},
	}
}

// runUpgrade upgrades the environment, after a copy of its database was made.
func runUpgrade(ctx context.Context, c *Console, args []string) (err error) {
	backup, dry := true, false
	for _, a := range args {
		switch a {
		case "-b", "--no-backup":
			backup = false
		case "--dry-run":
			dry = true
		default:
			return usage("invalid arguments: upgrade [--no-backup | -b] [--dry-run]")
		}
	}
	config, err := tracini.Load(filepath.Join(c.Dir, "conf", "trac.ini"))
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, c.Dir, config.String("trac", "database"), db.Options{ReadOnly: dry})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	version, err := d.Version(ctx)
	if err != nil {
		return err
	}
	steps, err := upgrade.Steps(version)
	switch {
	case err != nil:
		return err
	case len(steps) == 0 && !(dry && c.JSON):
		return c.Printf("The environment is up to date: the tables are of version %d.\n", version)
	case dry:
		return c.steps(steps)
	}
	e := &upgrade.Environment{Dir: c.Dir, DB: d, Note: func(s string) { _ = c.Printf("  note: %s\n", s) }}
	if backup {
		path, err := upgrade.Backup(ctx, e, under(c.Dir, config.String("trac", "backup_dir")), time.Now())
		if err != nil {
			return fmt.Errorf("%w; nothing was upgraded (with --no-backup, no copy is made)", err)
		}
		if err := c.Printf("The database was copied to %s, and the copy verified.\n", path); err != nil {
			return err
		}
	}
	err = upgrade.Run(ctx, e, func(s upgrade.Step) error { return c.Printf("%d  %s\n", s.To, s.Does) })
	if err == nil {
		err = c.renewSample()
	}
	if err != nil {
		return err
	}
	return c.Printf("Upgraded from version %d to %d. For the present help pages, run \"projhost admin %s wiki upgrade\".\n",
		version, schema.Version, c.Dir)
}

// renewSample writes the list of all options anew, where there is one.
func (c *Console) renewSample() error {
	path := filepath.Join(c.Dir, "conf", "trac.ini.sample")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	text, err := defaults.Sample()
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// steps lists what an upgrade would do.
func (c *Console) steps(steps []upgrade.Step) error {
	rows := make([][]string, len(steps))
	for i, s := range steps {
		rows[i] = []string{strconv.Itoa(s.To), s.Does}
	}
	return c.Table([]string{"Version", "What is done"}, rows)
}

// under is a path that is relative to dir unless it is absolute.
func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
