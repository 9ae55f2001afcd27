package envs

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest project name, in bytes: what common file systems
// allow for one directory entry.
const MaxName = 255

// CheckName says why name cannot be the name of a project in a URL, or nil.
//
// A project name is 1 to [MaxName] bytes of valid UTF-8 that does not begin
// with a dot or a blank, does not end in a blank, and holds no slash, no
// backslash, no control character and no invisible or direction-changing one
// (category Cf, which would let two names look alike). Everything else, spaces
// and all scripts of the world included, may be part of it.
//
// Trac 1.6 has no such rule and follows ".." out of the parent directory.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("project name is empty")
	case len(name) > MaxName:
		return fmt.Errorf("project name is longer than %d bytes", MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("project name %q is not valid UTF-8", name)
	case name[0] == '.':
		return fmt.Errorf("project name %q begins with a dot", name)
	}
	for _, c := range name {
		switch {
		case c == '/' || c == '\\':
			return fmt.Errorf("project name %q holds a path separator", name)
		case ' ' <= c && c <= '~': // printable ASCII, without a look into the tables
		case unicode.Is(unicode.Cc, c), unicode.Is(unicode.Cf, c), unicode.Is(unicode.Zl, c), unicode.Is(unicode.Zp, c):
			return fmt.Errorf("project name %q holds the invisible character %U", name, c)
		}
	}
	first, _ := utf8.DecodeRuneInString(name)
	last, _ := utf8.DecodeLastRuneInString(name)
	if unicode.IsSpace(first) || unicode.IsSpace(last) {
		return fmt.Errorf("project name %q begins or ends in a blank", name)
	}
	return nil
}

// ignoreFile lists, in a parent directory, shell patterns of names that are no
// projects, one a line (Trac 1.0 and later).
const ignoreFile = ".tracignore"

// maxIgnoreBytes bounds what is read of an ignore file.
const maxIgnoreBytes = 64 << 10

// ignoreList holds the patterns of a parent directory.
type ignoreList []string

// readIgnore reads the ignore file of parent; a missing one ignores nothing
// beyond what [CheckName] refuses. Blank lines and lines that begin with # are
// skipped; a pattern matches the whole name, with regard to case.
func readIgnore(parent string) (ignoreList, error) {
	f, err := os.Open(filepath.Join(parent, ignoreFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ignore file: %w", err)
	}
	defer func() { _ = f.Close() }()
	// fnmatch, whose patterns these are, negates a set with "!" and has no escapes.
	globber := strings.NewReplacer(`[!`, `[^`, `\`, `\\`)
	var list ignoreList
	for in, n := bufio.NewScanner(f), 0; in.Scan(); {
		if n += len(in.Bytes()) + 1; n > maxIgnoreBytes {
			return nil, fmt.Errorf("%s in %s is longer than %d bytes", ignoreFile, parent, maxIgnoreBytes)
		}
		line := strings.TrimSpace(in.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		list = append(list, globber.Replace(line))
	}
	return list, nil
}

// match tells whether a pattern names name. A pattern with a bracket that is
// never closed stands for itself, as in Python's fnmatch.
func (l ignoreList) match(name string) bool {
	for _, pattern := range l {
		if ok, err := path.Match(pattern, name); ok || err != nil && pattern == name {
			return true
		}
	}
	return false
}
