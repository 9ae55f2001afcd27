package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"projhost/envs/tracini"
)

// setDatabase makes conf/trac.ini below dir say [trac] database = setting, and
// changes nothing else in it.
func setDatabase(dir, setting string) (err error) {
	if strings.ContainsAny(setting, "\r\n\x00") {
		return errors.New("the setting is more than a line")
	}
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
	if err := root.WriteFile(name, []byte(withDatabase(string(text), setting)), info.Mode().Perm()); err != nil {
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

// withDatabase replaces the option's lines, those that continue it included, or
// adds it to its section.
func withDatabase(text, setting string) string {
	line := "database = " + setting + "\n"
	var out strings.Builder
	section, dropping, done, top := "", false, false, -1
	for l := range strings.Lines(text) {
		trimmed := strings.TrimSpace(l)
		continues := trimmed != "" && (l[0] == ' ' || l[0] == '\t')
		if dropping && continues {
			continue
		}
		dropping = false
		option, _, found := strings.Cut(strings.Replace(trimmed, ":", "=", 1), "=")
		switch {
		case continues:
		case strings.HasPrefix(trimmed, "["):
			section, _, _ = strings.Cut(trimmed[1:], "]")
			if section == "trac" {
				top = out.Len() + len(l)
			}
		case found && section == "trac" && strings.EqualFold(strings.TrimSpace(option), "database"):
			dropping, done = true, true
			l = line
		}
		out.WriteString(l)
	}
	switch changed := out.String(); {
	case done:
		return changed
	case top >= 0:
		return strings.TrimRight(changed[:top], "\n") + "\n" + line + changed[top:]
	default:
		return strings.TrimRight(changed, "\n") + "\n\n[trac]\n" + line
	}
}
