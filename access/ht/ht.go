// Package ht lets visitors sign in by a file of the Apache tools: htpasswd with
// Basic authentication (RFC 7617), htdigest with Digest (RFC 7616), as tracd does
// where no web server stands in front.
//
// A [Rule] says for which project, from which file and under which realm. A
// [Guard] asks for the password where its rules say so, which is a project's
// /login unless a rule is about the whole project, and tells the handler below it
// the name as REMOTE_USER. A name the web server has sent is never replaced.
//
// What costs much here is bounded: how large a file may be, how many passwords
// are checked at once, how often one address may be wrong, how many answers and
// nonces are remembered.
package ht

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Scheme is a way to send a password.
type Scheme string

const (
	Basic  Scheme = "Basic"
	Digest Scheme = "Digest"
)

// Any stands in a rule for every project.
const Any = "*"

// Rule says where visitors sign in, and with which file.
type Rule struct {
	Scheme  Scheme
	Project string // the project's name in URLs or that of its directory, or Any
	File    string // htpasswd for Basic, htdigest for Digest
	Realm   string // shown by browsers; in an htdigest file, the realm of the line
	// Whole guards all of the project, not its login page alone; with Any, the
	// list of projects, too.
	Whole bool
}

// wholeSuffix ends a rule that guards all of a project.
const wholeSuffix = ",all"

// ParseRule reads "PROJECT,FILE,REALM", as tracd's --auth and --basic-auth have
// it, or the same with ",all" at its end. A relative FILE is taken from the
// directory the program was started in.
func ParseRule(scheme Scheme, s string) (Rule, error) {
	r := Rule{Scheme: scheme}
	given, whole := strings.CutSuffix(s, wholeSuffix)
	if whole && strings.Count(given, ",") >= 2 {
		r.Whole = true
	} else {
		given = s
	}
	parts := strings.SplitN(given, ",", 3)
	if len(parts) != 3 {
		return Rule{}, fmt.Errorf("%q is not PROJECT,FILE,REALM", s)
	}
	r.Project, r.File, r.Realm = strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1]), strings.TrimSpace(parts[2])
	switch {
	case r.Project == "":
		return Rule{}, fmt.Errorf("%q names no project: give its name, or %s for all", s, Any)
	case r.File == "":
		return Rule{}, fmt.Errorf("%q names no file", s)
	}
	if err := checkRealm(r.Realm, scheme); err != nil {
		return Rule{}, err
	}
	abs, err := filepath.Abs(r.File)
	if err != nil {
		return Rule{}, fmt.Errorf("%s: %w", r.File, err)
	}
	r.File = abs
	return r, nil
}

// maxRealm bounds a realm, in bytes.
const maxRealm = 255

func checkRealm(realm string, scheme Scheme) error {
	switch {
	case realm == "":
		return errors.New("the realm is empty: it is the name under which browsers ask for the password")
	case len(realm) > maxRealm || !plain(realm):
		return fmt.Errorf("the realm %q is too long, or not plain text", realm)
	case scheme == Digest && strings.Contains(realm, ":"):
		return fmt.Errorf("the realm %q has a colon, which no htdigest file can hold", realm)
	}
	return nil
}

// plain tells whether s is text without control characters.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
