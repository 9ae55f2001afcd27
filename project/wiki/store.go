package wiki

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"projhost/db"
	"projhost/envs"
	"projhost/project"
)

// version is one version of a page, as the wiki table has it.
type version struct {
	Name    string
	Number  int
	Latest  int // the highest number the page has
	Time    time.Time
	Author  string
	Text    string
	Comment string
}

const columns = "SELECT version, time, author, text, comment FROM wiki WHERE name = ?"

// load returns a version of a page, the latest for number 0, and the names of
// all pages as of the same moment. found is false if there is no such page or
// version; the Latest of a page that exists is set even so.
func load(ctx context.Context, e *envs.Env, name string, number int) (v version, names pageNames, found bool, err error) {
	v.Name = name
	err = e.DB().Read(ctx, func(tx *db.Tx) error {
		if names, err = pageSets.Get(e).current(tx); err != nil {
			return err
		}
		found, err = tx.One(v.scan, columns+" ORDER BY version DESC LIMIT 1", name)
		v.Latest = v.Number
		if err != nil || number == 0 || !found || number == v.Number {
			return err
		}
		found, err = tx.One(v.scan, columns+" AND version = ?", name, number)
		return err
	})
	if err != nil {
		return version{}, nil, false, fmt.Errorf("reading the wiki page %q: %w", name, err)
	}
	return v, names, found, nil
}

func (v *version) scan(row db.Row) error {
	v.Number = int(row.Int(0))
	v.Time = time.UnixMicro(row.Int(1)).UTC()
	v.Author, v.Text, v.Comment = row.Text(2), row.Text(3), row.Text(4)
	return nil
}

// eachVersion calls f for every version of every page, sorted; latest tells that
// it is the page's newest.
func eachVersion(ctx context.Context, e *envs.Env, f func(name string, version int, latest bool)) error {
	name, number := "", 0
	err := e.DB().Read(ctx, func(tx *db.Tx) error {
		err := tx.Each(func(row db.Row) error {
			next := row.Text(0)
			if number > 0 {
				f(name, number, next != name)
			}
			name, number = next, int(row.Int(1))
			return nil
		}, "SELECT name, version FROM wiki ORDER BY name, version")
		if err == nil && number > 0 {
			f(name, number, true)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the versions of wiki pages: %w", err)
	}
	return nil
}

// pagesKey names the set of pages among the values that Trac keeps in memory;
// whoever adds or removes a page raises its generation.
const pagesKey = "trac.wiki.api.WikiSystem.pages"

// pageNames is the set of a wiki's pages. It is never written to once made.
type pageNames map[string]struct{}

func (n pageNames) has(name string) bool { _, ok := n[name]; return ok }

// namesOf returns the names of all pages, read once in a request.
func namesOf(r *project.Request) (pageNames, error) {
	if names, ok := r.Kept(namesKey{}).(pageNames); ok {
		return names, nil
	}
	var names pageNames
	err := r.Env.DB().Read(r.Context(), func(tx *db.Tx) (err error) {
		names, err = pageSets.Get(r.Env).current(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the names of wiki pages: %w", err)
	}
	r.Keep(namesKey{}, names)
	return names, nil
}

// namesKey is what a request keeps the names under.
type namesKey struct{}

// pageSets holds each environment's names of pages.
var pageSets = envs.NewSlot(func(*envs.Env) *pageSet { return &pageSet{generation: -2} })

// pageSet remembers which pages there are, as of one generation.
type pageSet struct {
	mu         sync.Mutex
	generation int64
	names      pageNames
}

// current returns the names as the transaction sees them.
func (s *pageSet) current(tx *db.Tx) (pageNames, error) {
	generation, err := tx.Generation(pagesKey)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	names, known := s.names, s.generation == generation
	s.mu.Unlock()
	if known {
		return names, nil
	}
	if names, err = readNames(tx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation, s.names = generation, names
	return names, nil
}

func readNames(tx *db.Tx) (pageNames, error) {
	names := make(pageNames)
	err := tx.Each(func(row db.Row) error {
		names[row.Text(0)] = struct{}{}
		return nil
	}, "SELECT DISTINCT name FROM wiki")
	return names, err
}

// related returns pages that a visitor of the missing page name may have
// meant: pages whose name holds the last part of name, whatever its case, and
// the missing page's ancestors, sorted.
func related(names pageNames, name string) (list []string) {
	last := strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	for n := range names {
		if strings.Contains(strings.ToLower(n), last) || strings.HasPrefix(name, n+"/") {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}
