package upgrade

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"projhost/envs/tracini"
)

// ini is a trac.ini that a step may change. It is read when first asked.
type ini struct {
	file    string
	config  *tracini.Config
	own     map[setting]string
	changed map[setting]*string // nil removes
	copy    string              // the copy that was kept, once the file is written
}

type setting struct{ section, name string }

func newINI(file string) *ini { return &ini{file: file, changed: map[setting]*string{}} }

func (i *ini) load() error {
	if i.config != nil {
		return nil
	}
	own, err := tracini.Own(i.file)
	if err != nil {
		return err
	}
	config, err := tracini.Load(i.file)
	if err != nil {
		return err
	}
	i.config, i.own = config, map[setting]string{}
	for _, s := range own {
		i.own[setting{s.Section, s.Name}] = s.Value
	}
	return nil
}

// get returns what the file or one it inherits says, no defaults.
func (i *ini) get(section, name string) (value string, ok bool) {
	if v, ok := i.changed[setting{section, name}]; ok && v != nil {
		return *v, true
	}
	if _, own := i.own[setting{section, name}]; own && i.removed(section, name) {
		return "", false
	}
	return i.config.Lookup(section, name)
}

func (i *ini) removed(section, name string) bool {
	v, ok := i.changed[setting{section, name}]
	return ok && v == nil
}

// list returns the items of an option that were parted by commas; standard if
// it is not set.
func (i *ini) list(section, name, standard string) []string {
	value, ok := i.get(section, name)
	if !ok {
		value = standard
	}
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// bool returns an option by Trac's rule.
func (i *ini) bool(section, name string, standard bool) bool {
	value, ok := i.get(section, name)
	if !ok {
		return standard
	}
	b, _ := tracini.ParseBool(value)
	return b
}

// section returns the options of a section, with the inherited ones, sorted.
func (i *ini) section(name string) []tracini.Setting {
	all := map[string]string{}
	for option, value := range i.config.Section(name) {
		if !i.removed(name, option) {
			all[option] = value
		}
	}
	for s, value := range i.changed {
		if s.section == name && value != nil {
			all[s.name] = *value
		}
	}
	var list []tracini.Setting
	for _, option := range slices.Sorted(maps.Keys(all)) {
		list = append(list, tracini.Setting{Section: name, Name: option, Value: all[option]})
	}
	return list
}

// set sets an option of the file itself.
func (i *ini) set(section, name, value string) { i.changed[setting{section, name}] = &value }

// add sets an option that neither the file nor one it inherits has.
func (i *ini) add(section, name, value string) {
	if _, ok := i.get(section, name); !ok {
		i.set(section, name, value)
	}
}

// remove removes an option of the file itself. What an inherited file has
// cannot be removed, and does no harm: nothing reads it any more.
func (i *ini) remove(section, name string) {
	delete(i.changed, setting{section, name})
	if _, ok := i.own[setting{section, name}]; ok {
		i.changed[setting{section, name}] = nil
	}
}

// move gives an option another name.
func (i *ini) move(section, name, toSection, toName string) {
	if value, ok := i.get(section, name); ok {
		i.add(toSection, toName, value)
		i.remove(section, name)
	}
}

// save writes the file if something was changed, after copying it to one that
// ends with suffix.
func (i *ini) save(ctx context.Context, suffix string) error {
	for s, value := range i.changed {
		if old, ok := i.own[s]; ok && value != nil && old == *value {
			delete(i.changed, s)
		}
	}
	if len(i.changed) == 0 {
		return nil
	}
	kept, err := Keep(i.file, i.file+"."+suffix)
	if err != nil {
		return fmt.Errorf("keeping a copy of trac.ini: %w", err)
	}
	i.copy = kept
	return i.write(ctx)
}

// restore undoes save, for a step that could not be committed.
func (i *ini) restore() error {
	if i.copy == "" {
		return nil
	}
	text, err := os.ReadFile(i.copy)
	if err == nil {
		err = replace(i.file, text)
	}
	if err != nil {
		return fmt.Errorf("trac.ini is changed already, put the copy %s in its place: %w", i.copy, err)
	}
	return nil
}

// maxKept bounds the copies of one name.
const maxKept = 100

// Keep copies a file beside it, for people to go back to. If another copy of another text has the name, as after
// an upgrade that was undone by hand, ".2" and so on is appended. It returns the
// copy's name.
func Keep(file, to string) (name string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for n := 1; n <= maxKept; n++ {
		name = to
		if n > 1 {
			name = fmt.Sprintf("%s.%d", to, n)
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, text) {
				return name, nil
			}
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(text)
		return name, errors.Join(err, like(f, file), f.Sync(), f.Close())
	}
	return "", fmt.Errorf("there are %d copies called %s", maxKept, to)
}

// write makes the changes in the file.
func (i *ini) write(ctx context.Context) error {
	var changes []tracini.Change
	for s, value := range i.changed {
		c := tracini.Change{Section: s.section, Name: s.name, Remove: value == nil}
		if value != nil {
			c.Value = *value
		}
		changes = append(changes, c)
	}
	slices.SortFunc(changes, func(a, b tracini.Change) int {
		return cmp.Or(strings.Compare(a.Section, b.Section), strings.Compare(a.Name, b.Name))
	})
	return tracini.Save(ctx, i.file, changes...)
}

// replace writes a text to a new file beside the former one, which then takes
// its place.
func replace(file string, text []byte) error {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".trac.ini-")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, like(f, file), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// like gives an open file the mode and the owner of another: who upgrades is
// often root, who serves is not.
func like(f *os.File, other string) error {
	info, err := os.Stat(other)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = f.Chmod(info.Mode().Perm() | info.Mode()&os.ModeSetgid)
	} else {
		err = f.Chmod(info.Mode().Perm())
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if err != nil || !ok {
		return err
	}
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if is, ok := now.Sys().(*syscall.Stat_t); ok && is.Uid == st.Uid && is.Gid == st.Gid {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}
