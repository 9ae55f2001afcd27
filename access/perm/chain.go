package perm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"projhost/access/authz"
	"projhost/envs"
	"projhost/envs/tracini"
	"projhost/internal/fault"
	"projhost/internal/stamp"
)

// chain is what decides in a project: the policies of [trac] permission_policies, and
// what they decide by, as of one moment. It never changes.
type chain struct {
	names    []string
	policies []policy
	rules    *authz.File        // nil without AuthzPolicy
	meant    map[string]actions // what each action that rules name stands for
	file     stamp.File         // what rules were read from
	warnings []string
	err      error // why everything is refused to everybody, a *fault.Error
}

func (ch *chain) has(name string) bool { return slices.Contains(ch.names, name) }

// chains holds each environment's chain, which is another when its file of rules is.
var chains = envs.NewSlot(func(e *envs.Env) *atomic.Pointer[chain] {
	var p atomic.Pointer[chain]
	read := func() stamp.File {
		ch := newChain(e.Config())
		ch.tell(e)
		p.Store(ch)
		return ch.file
	}
	if f := read(); f.Path != "" {
		e.Follow(f, read)
	}
	return &p
})

// tell tells administrators what is wrong, once for each reading.
func (ch *chain) tell(e *envs.Env) {
	e.Trouble("")
	if ch.err != nil {
		why := fault.As(ch.err).Err.Error()
		e.Trouble(why)
		e.Log().Error("everything is refused to everybody in this project", "error", why)
	}
	for _, w := range ch.warnings {
		e.Log().Warn(w)
	}
}

func newChain(config *tracini.Config) *chain {
	ch := &chain{names: config.List("trac", "permission_policies")}
	for _, name := range ch.names {
		p, ok := policyNamed(name)
		if !ok {
			ch.err = fault.Wrap(fault.Denied, "This project's permissions are decided by a policy that this server does not have, so nothing is shown.",
				fmt.Errorf("[trac] permission_policies names %s, which is not supported: access is refused", name))
			return ch
		}
		if p != nil {
			ch.policies = append(ch.policies, p)
		}
	}
	if err := ch.prepare(config); err != nil {
		ch.err = &fault.Error{Kind: fault.Busy, Public: "Who may see what in this project cannot be found out at the moment, so nothing is shown. Its administrator finds the reason in the log.",
			Err: err, RetryAfter: mendedWithin}
	}
	return ch
}

// mendedWithin is when visitors are to come back to a project whose policies are out
// of order.
const mendedWithin = time.Minute

// Parts of Trac that policies are, as [components] names them in small letters.
const (
	rulesComponent  = "tracopt.perm.authz_policy.authzpolicy"
	sourceComponent = "trac.versioncontrol.svn_authz.authzsourcepolicy"
)

// prepare reads what the policies need. What it fails of is a configuration error of
// every request in Trac, too.
func (ch *chain) prepare(config *tracini.Config) error {
	if ch.has(sourcePolicy) && !enabled(config, sourceComponent, true) {
		return errors.New("[trac] permission_policies names AuthzSourcePolicy, which [components] disables: enable trac.versioncontrol.svn_authz.*, or take the name away")
	}
	if !ch.has(rulesPolicy) {
		return nil
	}
	if !enabled(config, rulesComponent, false) {
		return errors.New("[trac] permission_policies names AuthzPolicy, which is not enabled: set [components] tracopt.perm.authz_policy.* = enabled, or take the name away")
	}
	path := config.LinkedPath("authz_policy", "authz_file")
	if path == "" {
		return errors.New("[trac] permission_policies names AuthzPolicy, and [authz_policy] authz_file no file for it")
	}
	if err := ch.read(path); err != nil {
		return fmt.Errorf("[authz_policy] authz_file: %w: correct the file, and it counts within a second", err)
	}
	ch.understand(config)
	return nil
}

// Bounds of reading a file of rules: how often one that is written meanwhile is read,
// and how long nobody must have written to it.
const (
	readTries = 4
	settled   = 20 * time.Millisecond
)

// read reads the file of rules as a whole, and not the part of it that somebody has
// written so far.
func (ch *chain) read(path string) error {
	for range readTries {
		seen := stamp.Look(path)
		rules, err := authz.Load(path)
		ch.file, ch.rules = seen, rules
		if age := time.Since(seen.Written()); age >= 0 && age < settled {
			time.Sleep(settled - age)
		}
		if !seen.Stale() {
			return err
		}
	}
	return fmt.Errorf("%s: it is being written again and again", path)
}

// understand finds out what the rules mean, and warns of what they may not have
// meant. Rules with unknown actions count for the others.
func (ch *chain) understand(config *tracini.Config) {
	known, extra := allActions(config), extraActions(config)
	ch.meant = make(map[string]actions)
	for m := range ch.rules.Actions() {
		if ch.meant[m.Name] != nil {
			continue
		}
		ch.meant[m.Name] = make(actions)
		ch.meant[m.Name].add(m.Name, extra)
		if !slices.Contains(known, m.Name) && !isUndeclared(m.Name) {
			ch.warn("%s: line %d: [%s] names the action %s, which is none: misspelt, or of a plugin", ch.file.Path, m.Line, m.Section, m.Name)
		}
	}
	for m := range ch.rules.Strangers() {
		ch.warn("%s: line %d: [%s] has a rule for %s, and [groups] has no such group: it counts for nobody", ch.file.Path, m.Line, m.Section, m.Name)
	}
	if i := slices.Index(ch.names, storePolicy); i >= 0 && i < slices.Index(ch.names, rulesPolicy) {
		ch.warn("[trac] permission_policies names AuthzPolicy after %s: it cannot deny what that one grants", storePolicy)
	}
}

// maxWarnings bounds what is said of one reading of the rules.
const maxWarnings = 20

func (ch *chain) warn(format string, args ...any) {
	if len(ch.warnings) < maxWarnings {
		ch.warnings = append(ch.warnings, fmt.Sprintf(format, args...))
	}
}

// Decision tells what decides in a project, for its administrators.
type Decision struct {
	Policies string   // in their order, with what they decide by
	Warnings []string // what may not be meant so
	Err      error    // why everything is refused to everybody, and what to do; nil if it is not
}

// Inspect tells what decides in a project with such settings.
func Inspect(config *tracini.Config) Decision {
	ch := newChain(config)
	d := Decision{Policies: strings.Join(ch.names, ", "), Warnings: ch.warnings}
	if ch.err != nil {
		d.Err = fault.As(ch.err).Err
	} else if ch.rules != nil {
		d.Policies += " (" + ch.rules.String() + ")"
	}
	return d
}
