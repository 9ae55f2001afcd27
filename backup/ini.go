package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"projhost/envs/tracini"
)

// setDatabase makes conf/trac.ini below dir say [trac] database = setting, and
// changes nothing else in it.
func setDatabase(dir, setting string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	name := filepath.Join("conf", "trac.ini")
	text, err := root.ReadFile(name)
	if err != nil {
		return err
	}
	info, err := root.Stat(name)
	if err != nil {
		return err
	}
	now, err := tracini.Edit(string(text), tracini.Change{Section: "trac", Name: "database", Value: setting})
	if err != nil {
		return err
	}
	if err := root.WriteFile(name, []byte(now), info.Mode().Perm()); err != nil {
		return err
	}
	config, err := tracini.Load(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if got := config.String("trac", "database"); got != setting {
		return fmt.Errorf("it still says %q", got)
	}
	return nil
}
