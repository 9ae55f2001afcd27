package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"projhost/envs"
	"projhost/envs/tracini"
)

const initArgs = "[NAME DB] [--inherit=PATH]... [--config=FILE] [--no-default-data]"

func initCommands() []Command {
	return []Command{
		{Name: "initenv", Args: initArgs, Help: "Make an environment. Without NAME and DB, both are asked for.",
			Flags: true, Needs: Nothing, Run: initEnv},
		{Name: "initdb", Args: initArgs, Help: "The same as initenv.", Flags: true, Needs: Nothing, Run: initEnv},
		{Name: "wiki upgrade", Help: "Bring the default wiki pages to their present text.", Run: wikiUpgrade},
	}
}

// What Trac proposes for a new environment.
const (
	proposedName     = "My Project"
	proposedDatabase = "sqlite:db/trac.db"
)

// initEnv makes an environment, all of it or nothing.
func initEnv(ctx context.Context, c *Console, args []string) error {
	o := envs.CreateOptions{Whole: true, Settings: map[string]map[string]string{}}
	var words []string
	file := ""
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, "--inherit="); ok && v != "" {
			o.Inherit = append(o.Inherit, v)
		} else if v, ok := strings.CutPrefix(a, "--config="); ok && v != "" {
			file = v
		} else if a == "--no-default-data" {
			o.NoData = true
		} else if strings.HasPrefix(a, "--") {
			return usage("invalid arguments: initenv " + initArgs)
		} else {
			words = append(words, a)
		}
	}
	if err := c.absent(); err != nil {
		return err
	}
	if file != "" {
		config, err := tracini.Load(file)
		if err != nil {
			return err
		}
		for s := range config.Settings() {
			setOption(o.Settings, s.Section, s.Name, s.Value)
		}
	}
	switch {
	case len(words) == 0 && file == "":
		// Trac reads the answers from whatever its input is, a pipe too.
		defer func(was bool) { c.Interactive = was }(c.Interactive)
		c.Interactive = c.In != nil
		name, err := c.Ask("Project Name", proposedName)
		if err != nil {
			return err
		}
		database, err := c.Ask("Database connection string", proposedDatabase)
		if err != nil {
			return err
		}
		words = []string{name, database}
	case file == "" && len(words) != 2 || len(words) > 2:
		return usage("invalid arguments: initenv " + initArgs)
	}
	if len(words) > 0 {
		setOption(o.Settings, "project", "name", words[0])
	}
	if len(words) > 1 {
		setOption(o.Settings, "trac", "database", words[1])
	}
	if err := envs.Create(ctx, c.Dir, o); err != nil {
		return err
	}
	name := o.Settings["project"]["name"]
	if name == "" {
		name = filepath.Base(c.Dir)
	}
	return c.Printf("The environment of %q was made in %s.\n\nIts settings are in %s.\nTo see it: projhost tracd --port 8000 %s\n",
		name, c.Dir, filepath.Join(c.Dir, "conf", "trac.ini"), c.Dir)
}

// absent fails unless an environment can be made in the directory.
func (c *Console) absent() error {
	entries, err := os.ReadDir(c.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := filepath.Dir(c.Dir)
		if info, err := os.Stat(parent); err != nil || !info.IsDir() {
			return fmt.Errorf("there is no directory %s to make the environment in", parent)
		}
		return nil
	case err != nil:
		return err
	}
	for _, e := range entries {
		if e.Name() == "VERSION" {
			return fmt.Errorf("initenv failed: there is an environment at %s already", c.Dir)
		}
	}
	if len(entries) > 0 {
		return fmt.Errorf("initenv failed: the directory %s is not empty", c.Dir)
	}
	return nil
}

func setOption(settings map[string]map[string]string, section, name, value string) {
	if settings[section] == nil {
		settings[section] = map[string]string{}
	}
	settings[section][name] = value
}

// wikiUpgrade brings the default pages to their present text.
func wikiUpgrade(ctx context.Context, c *Console, _ []string) error {
	e, err := c.Env(ctx)
	if err != nil {
		return err
	}
	changed, err := envs.UpgradePages(ctx, e)
	if err != nil {
		return err
	}
	for _, name := range changed {
		if err := c.Printf("  %s was written.\n", name); err != nil {
			return err
		}
	}
	return c.Printf("%d wiki pages were brought to their present text.\n", len(changed))
}
