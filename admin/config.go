package admin

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"projhost/envs"
	"projhost/envs/tracini"
)

func configCommands() []Command {
	return []Command{
		{Name: "config dump", Help: "Write all values in force, defaults and inherited ones too, as one trac.ini.",
			Needs: Directory, Run: configDump},
		{Name: "config get", Args: "section option", Help: "Write an option's value: its own, else inherited, else the default.",
			Min: 2, Max: 2, Needs: Directory, Run: configGet, Complete: completeOption},
		{Name: "config remove", Args: "section [option]", Help: "Remove an option, or a whole section, from the environment's trac.ini.",
			Min: 1, Max: 2, Needs: Directory, Run: configRemove, Complete: completeOption},
		{Name: "config set", Args: "section option value", Help: "Set an option in the environment's trac.ini; the rest of the file stays as it is.",
			Min: 3, Max: 3, Needs: Directory, Run: configSet, Complete: completeOption},
	}
}

// configDir is the environment whose trac.ini the commands read and change. These
// never open it: they are what a broken one is mended with.
func configDir(c *Console) (string, error) {
	return filepath.EvalSymlinks(c.Dir) // what trac.ini inherits is named from there
}

func loadConfig(c *Console) (*tracini.Config, error) {
	dir, err := configDir(c)
	if err != nil {
		return nil, err
	}
	return tracini.Load(envs.ConfigFile(dir))
}

func configGet(_ context.Context, c *Console, args []string) error {
	config, err := loadConfig(c)
	if err != nil {
		return err
	}
	section, name := args[0], args[1]
	if !known(config, section, name) {
		return notThere(section, name)
	}
	value := config.String(section, name)
	if c.JSON {
		return c.Object(map[string]string{"section": section, "option": strings.ToLower(name), "value": value})
	}
	return c.Printf("%s\n", value)
}

// known says whether an option is set or has a default, as Trac sees it.
func known(config *tracini.Config, section, name string) bool {
	if _, set := config.Lookup(section, name); set {
		return true
	}
	o, ok := tracini.Find(section, name)
	return ok && o.Registered
}

func notThere(section, name string) error {
	if name == "" {
		return fmt.Errorf("there is no section [%s]", section)
	}
	return fmt.Errorf("there is no option %s in section [%s]", name, section)
}

func configSet(ctx context.Context, c *Console, args []string) error {
	dir, err := configDir(c)
	if err != nil {
		return err
	}
	section, name := args[0], args[1]
	value, err := tracini.Normalize(section, name, strings.ReplaceAll(args[2], "\r\n", "\n"))
	if err != nil {
		return err
	}
	changes := []tracini.Change{{Section: section, Name: name, Value: value}}
	if on, _ := tracini.ParseBool(value); on && section == "components" {
		config, err := tracini.Load(envs.ConfigFile(dir))
		if err != nil {
			return err
		}
		changes = append(changes, defaultsOf(config, name)...)
	}
	return envs.SaveConfig(ctx, dir, nil, changes...)
}

// defaultsOf are the options of a component, or of all that a rule with ".*"
// means, that no file sets. Trac writes them down when a component is enabled.
func defaultsOf(config *tracini.Config, rule string) (list []tracini.Change) {
	rule = strings.TrimSuffix(strings.ToLower(rule), ".*")
	for o := range tracini.Options() {
		declarer := strings.ToLower(o.Declarer)
		if !o.Registered || declarer != rule && !strings.HasPrefix(declarer, rule+".") {
			continue
		}
		if _, set := config.Lookup(o.Section, o.Name); !set {
			list = append(list, tracini.Change{Section: o.Section, Name: o.Name, Value: o.Default})
		}
	}
	return list
}

func configRemove(ctx context.Context, c *Console, args []string) error {
	dir, err := configDir(c)
	if err != nil {
		return err
	}
	change := tracini.Change{Section: args[0], Remove: true}
	if len(args) > 1 {
		if change.Name = args[1]; change.Name == "" {
			return notThere(change.Section, "''") // not the whole section
		}
	}
	err = envs.SaveConfig(ctx, dir, nil, change)
	if !errors.Is(err, tracini.ErrNotSet) {
		return err
	}
	// For Trac an option that only has its default is there, and stays.
	if o, ok := tracini.Find(change.Section, change.Name); ok && o.Registered {
		return nil
	}
	return notThere(change.Section, change.Name)
}

// dumped is a value as "config dump" writes it in JSON.
type dumped struct {
	Section  string   `json:"section"`
	Option   string   `json:"option"`
	Value    string   `json:"value"`
	File     string   `json:"file,omitempty"` // none: it is the default
	Line     int      `json:"line,omitempty"`
	Problems []string `json:"problems,omitempty"`
}

func configDump(_ context.Context, c *Console, _ []string) error {
	config, err := loadConfig(c)
	if err != nil {
		return err
	}
	if !c.JSON {
		text, err := config.Dump()
		if err != nil {
			return err
		}
		return c.Printf("%s", text)
	}
	var list []dumped
	for _, v := range config.Values() {
		list = append(list, dumped{v.Section, v.Name, v.Value, v.File, v.Line, v.Problems})
	}
	return c.Object(list)
}

// completeOption completes a section, then an option.
func completeOption(_ context.Context, c *Console, args []string) []string {
	config, err := loadConfig(c)
	if err != nil || len(args) > 1 {
		return nil
	}
	var list []string
	for _, v := range config.Values() {
		if len(args) > 0 && v.Section == args[0] {
			list = append(list, v.Name)
		}
	}
	if len(args) == 0 {
		list = config.Sections()
		for o := range tracini.Options() {
			list = append(list, o.Section)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
