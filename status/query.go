package status

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// NeedsUpgrade is a state to ask for beside those of envs.State.
const NeedsUpgrade = "needs-upgrade"

// States are those that can be asked for.
func States() []string { return []string{"open", "closed", "read-only", "broken", NeedsUpgrade} }

// Query says which rows are wanted, in which order.
type Query struct {
	Text     string // words that name, title or path have, letter case aside
	State    string // one of States; "" is any
	Database string // kind; "" is any
	Sort     string // one of SortKeys, after a "-" the largest first; "" is by title
	Page     int    // from 1
}

// perPage is how many rows a page has.
const perPage = 100

// maxText bounds the words that are looked for, in bytes.
const maxText = 200

// parseQuery reads what an address asks for. What makes no sense there counts as
// not said: an address is easily cut short.
func parseQuery(v url.Values) Query {
	q := Query{Text: strings.TrimSpace(v.Get("q")), State: v.Get("state"), Database: v.Get("database"), Sort: v.Get("sort")}
	q.Text = strings.ToValidUTF8(q.Text[:min(len(q.Text), maxText)], "")
	if q.check() != nil {
		q.State, q.Sort = "", ""
	}
	q.Page, _ = strconv.Atoi(v.Get("page"))
	q.Page = max(q.Page, 1)
	return q
}

// check names what there is not.
func (q *Query) check() error {
	if q.State != "" && !slices.Contains(States(), q.State) {
		return fmt.Errorf("there is no state %q, but %s", q.State, strings.Join(States(), ", "))
	}
	if _, ok := orders()[strings.TrimPrefix(q.Sort, "-")]; q.Sort != "" && !ok {
		return fmt.Errorf("nothing is sorted by %q, but by %s", q.Sort, strings.Join(SortKeys(), ", "))
	}
	return nil
}

// Values is the address of a query; defaults are left out.
func (q Query) Values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{"q": q.Text, "state": q.State, "database": q.Database, "sort": q.Sort} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	return v
}

// order compares two rows.
type order func(a, b *Row) int

// orders are by what rows can be sorted. What is not known is least.
func orders() map[string]order {
	size := func(r *Row) int64 {
		if r.Size == nil {
			return -1
		}
		return r.Size.Total()
	}
	use := func(f func(*Use) float64) order {
		of := func(r *Row) float64 {
			if r.Use == nil {
				return -1
			}
			return f(r.Use)
		}
		return func(a, b *Row) int { return cmp.Compare(of(a), of(b)) }
	}
	return map[string]order{
		"name":  func(a, b *Row) int { return strings.Compare(a.Name, b.Name) },
		"title": func(a, b *Row) int { return strings.Compare(a.folded, b.folded) },
		"state": func(a, b *Row) int { return strings.Compare(a.State, b.State) },
		"database": func(a, b *Row) int {
			return cmp.Or(strings.Compare(a.Database, b.Database), strings.Compare(a.Pool, b.Pool))
		},
		"version":  func(a, b *Row) int { return cmp.Compare(a.Version, b.Version) },
		"size":     func(a, b *Row) int { return cmp.Compare(size(a), size(b)) },
		"running":  use(func(u *Use) float64 { return float64(u.Running + u.Waiting) }),
		"requests": use(func(u *Use) float64 { return float64(u.Requests) }),
		"errors":   use(func(u *Use) float64 { return float64(u.Errors) }),
		"mean":     use(func(u *Use) float64 { return u.Mean }),
		"p95":      use(func(u *Use) float64 { return u.P95 }),
		"last": use(func(u *Use) float64 {
			if u.Last == nil {
				return 0
			}
			return float64(u.Last.UnixNano())
		}),
	}
}

// SortKeys are by what rows can be sorted.
func SortKeys() []string {
	var keys []string
	for key := range orders() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Select returns the rows that are asked for, all pages of them, in order; rows is
// not to be used any more. It fails if a state or a key of sorting is asked for
// that there is not.
func (q Query) Select(rows []*Row) ([]*Row, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	words := strings.Fields(strings.ToLower(q.Text))
	rows = slices.DeleteFunc(rows, func(r *Row) bool { return !q.wants(r, words) })
	key, least := strings.CutPrefix(q.Sort, "-")
	by := orders()[cmp.Or(key, "title")]
	slices.SortFunc(rows, func(a, b *Row) int {
		c := by(a, b)
		if least {
			c = -c
		}
		return cmp.Or(c, strings.Compare(a.Name, b.Name), strings.Compare(a.Path, b.Path))
	})
	return rows, nil
}

func (q *Query) wants(r *Row, words []string) bool {
	switch {
	case q.Database != "" && r.Database != q.Database:
		return false
	case q.State == NeedsUpgrade && !r.NeedsUpgrade, q.State != "" && q.State != NeedsUpgrade && r.State != q.State:
		return false
	case len(words) == 0:
		return true
	}
	text := strings.ToLower(r.Name+"\n"+r.Path) + "\n" + r.folded
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

// page cuts the page out that is asked for, or the last, and tells its number
// and how many there are.
func (q Query) page(rows []*Row) (part []*Row, page, pages int) {
	pages = max(1, (len(rows)+perPage-1)/perPage)
	page = min(max(q.Page, 1), pages)
	return rows[(page-1)*perPage : min(page*perPage, len(rows))], page, pages
}
