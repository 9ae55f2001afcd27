package ht

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"projhost/internal/stamp"
)

// Bounds of a file.
const (
	maxFileBytes = 8 << 20
	maxLines     = 100_000
	maxLineBytes = 4096
	maxName      = 255 // bytes of a user's name
	maxWarnings  = 20  // told of one reading; more are counted
)

// recheck is how long a file is believed without another look at it.
const recheck = time.Second

// watched is a file that is read again when it has changed. While it cannot be
// read nobody can sign in by it: what it last held may be what an administrator
// has just taken away.
type watched[T any] struct {
	path  string
	parse func(*lines) T
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	value  T
	err    error
	was    stamp.Stamp
	looked time.Time
}

// get returns what the file holds now, give or take recheck.
func (f *watched[T]) get() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if !f.looked.IsZero() && now.Sub(f.looked) < recheck {
		return f.value, f.err
	}
	first := f.looked.IsZero()
	f.looked = now
	if f.err == nil && !first && stamp.Of(f.path) == f.was {
		return f.value, nil
	}
	had := f.err
	f.value, f.was, f.err = f.read()
	switch {
	case f.err != nil && (had == nil || had.Error() != f.err.Error()) && !first:
		f.log.Error("nobody can sign in by this file until it can be read again", "file", f.path, "error", f.err)
	case f.err == nil && !first:
		f.log.Info("password file read again", "file", f.path)
	}
	return f.value, f.err
}

// read opens, bounds and parses the file.
func (f *watched[T]) read() (value T, was stamp.Stamp, err error) {
	// O_NONBLOCK: a named pipe must not hold the start.
	file, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return value, was, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return value, was, err
	}
	if !info.Mode().IsRegular() {
		return value, was, fmt.Errorf("%s is not a regular file", f.path)
	}
	was = stamp.OfInfo(info)
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	switch {
	case err != nil:
		return value, was, err
	case len(text) > maxFileBytes:
		return value, was, fmt.Errorf("%s is larger than %d bytes", f.path, maxFileBytes)
	case bytes.Count(text, []byte{'\n'}) > maxLines:
		return value, was, fmt.Errorf("%s has more than %d lines", f.path, maxLines)
	}
	in := &lines{path: f.path, rest: string(text), log: f.log}
	value = f.parse(in)
	in.end()
	return value, was, nil
}

// lines hands out the lines of a file that may hold an entry.
type lines struct {
	path   string
	rest   string
	number int
	warned int
	log    *slog.Logger
}

// next returns the next line that is neither blank nor a comment, ok false at
// the end. A comment is a line that begins with "#": tracd cuts a line at any
// "#", and with it a hash that holds one.
func (l *lines) next() (line string, ok bool) {
	for l.rest != "" {
		line, l.rest, _ = strings.Cut(l.rest, "\n")
		l.number++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case len(line) > maxLineBytes:
			l.warn("line is longer than allowed, left out")
		case !utf8.ValidString(line):
			l.warn("line is not UTF-8, left out")
		default:
			return line, true
		}
	}
	return "", false
}

// warn tells of the current line; it never tells what is in it.
func (l *lines) warn(problem string) {
	if l.warned++; l.warned <= maxWarnings {
		l.log.Warn("password file: "+problem, "at", fmt.Sprintf("%s:%d", l.path, l.number))
	}
}

func (l *lines) end() {
	if l.warned > maxWarnings {
		l.log.Warn("password file: more lines like these", "file", l.path, "warnings", l.warned)
	}
}

// checkName says why no visitor can sign in under name, or nil.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("no name in front of the colon, left out")
	case len(name) > maxName || !plain(name):
		return errors.New("a name that is too long or not plain text, left out")
	case name == "anonymous":
		return errors.New(`the name "anonymous" is everybody's, left out`)
	}
	return nil
}

// passwords is what an htpasswd file holds.
type passwords struct {
	users map[string]secret
	order []string // the users, as the file has them
}

// parsePasswords reads "user:hash" lines; further fields are ignored, of two
// lines for one user the first counts, both as Apache has it.
func parsePasswords(in *lines) *passwords {
	p := &passwords{users: make(map[string]secret)}
	for {
		line, ok := in.next()
		if !ok {
			return p
		}
		name, rest, ok := strings.Cut(line, ":")
		if !ok {
			in.warn("not NAME:HASH, left out")
			continue
		}
		if err := checkName(name); err != nil {
			in.warn(err.Error())
			continue
		}
		if _, twice := p.users[name]; twice {
			in.warn("a second line for the same user, left out")
			continue
		}
		text, _, _ := strings.Cut(rest, ":")
		h, err := parseHash(strings.TrimSpace(text))
		if err != nil {
			in.warn(err.Error() + ", left out")
			continue
		}
		p.users[name] = h
		p.order = append(p.order, name)
	}
}

// digests is what an htdigest file holds, by realm.
type digests struct{ realms map[string]*digestRealm }

// digestRealm are the users of one realm and their HA1, by algorithm.
type digestRealm struct {
	users  map[string][algorithms][]byte
	counts [algorithms]int
}

// parseDigests reads "user:realm:HA1" lines. HA1 is the MD5 or the SHA-256 of
// "user:realm:password" in hexadecimal; a user may have a line of each.
func parseDigests(in *lines) *digests {
	d := &digests{realms: make(map[string]*digestRealm)}
	for {
		line, ok := in.next()
		if !ok {
			return d
		}
		parts := strings.Split(line, ":")
		if len(parts) < 3 {
			in.warn("not NAME:REALM:HASH, left out")
			continue
		}
		if err := checkName(parts[0]); err != nil {
			in.warn(err.Error())
			continue
		}
		a, ha1, ok := parseHA1(strings.TrimSpace(parts[2]))
		if !ok {
			in.warn("the hash is neither an MD5 nor a SHA-256 sum in hexadecimal, left out")
			continue
		}
		d.add(in, parts[0], parts[1], a, ha1)
	}
}

func (d *digests) add(in *lines, name, realm string, a algorithm, ha1 []byte) {
	r := d.realms[realm]
	if r == nil {
		r = &digestRealm{users: make(map[string][algorithms][]byte)}
		d.realms[realm] = r
	}
	sums := r.users[name]
	if sums[a] != nil {
		in.warn("a second line for the same user and realm, left out")
		return
	}
	sums[a] = ha1
	r.users[name] = sums
	r.counts[a]++
}
