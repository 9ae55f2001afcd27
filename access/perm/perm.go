// Package perm tells what a user may do in a project: Trac's permission table,
// groups and actions that imply others.
package perm

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"projhost/access/auth"
	"projhost/access/authz"
	"projhost/db"
	"projhost/envs"
	"projhost/internal/fault"
)

// Admin is the action that implies all others.
const Admin = "TRAC_ADMIN"

// Resource is what an action is about. The zero value is the project itself.
type Resource struct {
	Realm, ID string
	Version   string    // "" is none in particular
	Parent    *Resource // what it is a part of, nil if of the project alone
}

// At returns a version of the resource, counted from 1; 0 is none in particular.
func (r Resource) At(version int) Resource {
	if r.Version = ""; version != 0 {
		r.Version = strconv.Itoa(version)
	}
	return r
}

// Attachment returns a file that is attached to the resource.
func (r Resource) Attachment(name string) Resource {
	return Resource{Realm: attachmentRealm, ID: name, Parent: &r}
}

func (r Resource) String() string {
	if r.Realm == "" {
		return "the project"
	}
	s := r.Realm + ":" + r.ID
	if r.Version != "" {
		s += "@" + r.Version
	}
	if r.Parent != nil {
		s += " of " + r.Parent.String()
	}
	return s
}

// Checker answers for one user in one environment during one request, as the
// project's chain of policies has it: the first that does not leave it to the next
// decides, and where none does, it is refused. So an administrator may be refused
// what an earlier policy than the permission table denies.
//
// What was granted and the rules of files are of the same moment for all answers;
// that a page is read-only is asked for when it matters.
type Checker struct {
	env  *envs.Env
	user auth.User

	once    sync.Once
	chain   *chain
	granted actions
	rules   authz.Rules
	err     error
}

// For returns the checker of u in e. The database is read when first asked.
func For(e *envs.Env, u auth.User) *Checker { return &Checker{env: e, user: u} }

// Has tells whether the user may do action to res. Errors are the database's,
// or say that a policy of the project cannot decide, in which case everything is
// refused: Denied if this program does not have it, Busy if it is out of order.
func (c *Checker) Has(ctx context.Context, action string, res Resource) (bool, error) {
	c.once.Do(func() { c.err = c.prepare(ctx) })
	if c.err != nil || c.env.ReadOnly() && !reads(action) {
		return false, c.err
	}
	return c.allowed(ctx, action, res)
}

// prepare gathers what all answers are made from.
func (c *Checker) prepare(ctx context.Context) (err error) {
	c.chain = chains.Get(c.env).Load()
	if c.chain.err != nil {
		return c.chain.err
	}
	if c.chain.rules != nil {
		c.rules = c.chain.rules.For(c.user.Name(), c.user.Known())
	}
	if c.chain.has(storePolicy) {
		c.granted, err = tables.Get(c.env).actionsOf(ctx, c.env, c.user)
	}
	return err
}

// reads is true for actions that change nothing: by the custom of Trac and its
// plugins, their names end so. All others are nobody's in an environment that is
// only read.
func reads(action string) bool { return strings.HasSuffix(action, "_VIEW") }

// Require is nil if the user may do action to res; else a *[fault.Error] of
// kind Denied, or what went wrong while finding out.
func (c *Checker) Require(ctx context.Context, action string, res Resource) error {
	ok, err := c.Has(ctx, action, res)
	if err != nil || ok {
		return err
	}
	public := fmt.Sprintf("%s is needed to see or do this (%s).", action, res)
	if !c.user.Known() {
		public += " You are not logged in."
	}
	return fault.Wrap(fault.Denied, public, fmt.Errorf("%s lacks %s on %s", c.user.Name(), action, res))
}

// actions is a set of what is granted, implied ones included.
type actions map[string]struct{}

func (a actions) has(action string) bool {
	if _, ok := a[action]; ok {
		return true
	}
	_, ok := a[Admin]
	return ok
}

// covers is has, but for actions that no module declares: what brings all along
// does not bring those, which policies decide about (Trac 1.6).
func (a actions) covers(action string) bool {
	if isUndeclared(action) {
		_, named := a[action]
		return named
	}
	return a.has(action)
}

// add adds an action and what it brings along, by extra too.
func (a actions) add(action string, extra map[string][]string) {
	if _, ok := a[action]; ok {
		return
	}
	a[action] = struct{}{}
	for _, more := range slices.Concat(implied(action), extra[action]) {
		a.add(more, extra)
	}
}

// generationKey names the permission table among the values that Trac keeps in
// memory; whoever changes the table raises its generation.
const generationKey = "trac.perm.DefaultPermissionStore._all_permissions"

// maxUsers bounds the sets remembered per environment.
const maxUsers = 1024

// tables holds each environment's permission table.
var tables = envs.NewSlot(func(e *envs.Env) *table { return &table{generation: -2, extra: extraActions(e.Config())} })

// table is the permission table of one environment as of one generation.
type table struct {
	mu         sync.Mutex
	generation int64
	rows       map[string][]string // subject -> actions and groups
	sets       map[string]actions  // user -> what it adds up to
	extra      map[string][]string // actions of the project's own, never changed
}

func (t *table) actionsOf(ctx context.Context, e *envs.Env, u auth.User) (actions, error) {
	generation, rows := int64(0), map[string][]string(nil)
	err := e.DB().Read(ctx, func(tx *db.Tx) (err error) {
		if generation, err = tx.Generation(generationKey); err != nil || t.isAt(generation) {
			return err
		}
		rows, err = readRows(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading permissions: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if rows != nil {
		t.generation, t.rows, t.sets = generation, rows, make(map[string]actions)
	}
	set, ok := t.sets[u.Name()]
	if !ok {
		set = expand(t.rows, u, t.extra)
		if len(t.sets) >= maxUsers {
			clear(t.sets)
		}
		t.sets[u.Name()] = set
	}
	return set, nil
}

func (t *table) isAt(generation int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.generation == generation
}

// expand follows groups: everybody is in "anonymous", whoever has logged in is
// in "authenticated" too. An entry in capitals is an action, any other a group.
func expand(rows map[string][]string, u auth.User, extra map[string][]string) actions {
	set, seen := make(actions), make(map[string]bool)
	var visit func(subject string)
	visit = func(subject string) {
		if seen[subject] {
			return
		}
		seen[subject] = true
		for _, a := range rows[subject] {
			if IsAction(a) {
				set.add(a, extra)
			} else {
				visit(a)
			}
		}
	}
	visit(auth.Anonymous)
	if u.Known() {
		visit("authenticated")
		visit(u.Name())
	}
	return set
}
