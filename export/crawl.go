package export

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"projhost/front/gateway"
)

// crawl is one export in the making.
type crawl struct {
	options Options
	dir     string   // where it is built
	base    *url.URL // with a host, be it one that nobody has

	known  map[address]string // why there is no file; "" if there is one, or will be
	queue  []address
	named  map[address]bool     // by a module
	links  map[address][]string // to what is not answered yet: the pages they stand on
	sums   map[string][32]byte  // of the answers without a query
	others map[string]bool      // paths without a usual place
	report Report
}

// unknownHost is the host of a site that is not told: no name that ends so is
// anybody's (RFC 6761).
const unknownHost = "site.invalid"

func newCrawl(o Options, dir string) *crawl {
	base := *o.Base
	base.Scheme, base.Host = cmp.Or(base.Scheme, "http"), cmp.Or(base.Host, unknownHost)
	return &crawl{
		options: o, dir: dir, base: &base, known: map[address]string{}, named: map[address]bool{},
		links: map[address][]string{}, sums: map[string][32]byte{}, others: map[string]bool{},
		report: Report{Broken: []Link{}, Skipped: []Link{}},
	}
}

// run asks for everything.
func (c *crawl) run(ctx context.Context) error {
	if err := c.seed(ctx); err != nil {
		return err
	}
	for done := 0; done < len(c.queue); done++ {
		if c.options.Progress != nil {
			c.options.Progress(done, len(c.queue))
		}
		a := c.queue[done]
		why, err := c.fetch(ctx, a)
		if err != nil {
			return fmt.Errorf("exporting %s: %w", a, err)
		}
		if c.known[a] = why; why == "" {
			delete(c.links, a)
		}
	}
	if c.report.Pages == 0 {
		return fmt.Errorf("%w: the answer to its first page is %s", ErrNothing, c.known[address{path: "/"}])
	}
	return nil
}

// seed asks for the addresses that modules name.
func (c *crawl) seed(ctx context.Context) error {
	list := address{path: listPath}
	if c.options.History {
		list.query = "history=1"
	}
	a, err := c.ask(ctx, list)
	if err != nil {
		return err
	}
	defer a.discard()
	var all []string
	if a.status != http.StatusOK {
		return fmt.Errorf("listing the project: status %d", a.status)
	}
	if err := json.Unmarshal(a.text.Bytes(), &all); err != nil {
		return fmt.Errorf("listing the project: %w", err)
	}
	for _, s := range all {
		u, err := url.Parse(s)
		if err != nil {
			return fmt.Errorf("listing the project: %w", err)
		}
		to := address{u.Path, u.RawQuery}
		c.named[to] = true
		if err := c.want(to); err != nil {
			return err
		}
	}
	return nil
}

// want puts an address into the queue, once, after the same without a query.
func (c *crawl) want(a address) error {
	if _, known := c.known[a]; known {
		return nil
	}
	if a.query != "" {
		if err := c.want(address{path: a.path}); err != nil {
			return err
		}
	}
	if len(c.queue) >= c.options.MaxAddresses {
		return fmt.Errorf("%w: more than %d addresses", ErrLimit, c.options.MaxAddresses)
	}
	c.known[a] = ""
	c.queue = append(c.queue, a)
	return nil
}

// fetch asks for an address and keeps the answer. why is why there is none to keep.
func (c *crawl) fetch(ctx context.Context, at address) (why string, err error) {
	a, err := c.ask(ctx, at)
	if err != nil {
		return "", err
	}
	defer a.discard()
	k := kindFile
	switch {
	case a.status >= 300 && a.status < 400 && a.Header().Get("Location") != "":
		k = kindPage
		if why, err = c.redirect(at, a); err != nil || why != "" {
			return why, err
		}
	case a.status >= http.StatusInternalServerError:
		return "", fmt.Errorf("status %d; the log has the reason", a.status)
	case a.status != http.StatusOK:
		if c.named[at] {
			c.report.Skipped = append(c.report.Skipped, Link{Target: at.String(), Why: strconv.Itoa(a.status)})
		}
		return strconv.Itoa(a.status), nil
	case a.isPage() && !a.isStatic():
		k = kindPage
	}
	if err := c.readLinks(at, a); err != nil {
		return "", err
	}
	sum := a.sum()
	if at.query == "" {
		c.sums[at.path] = sum
	} else if plain, ok := c.sums[at.path]; ok && plain == sum {
		return "", nil // the query says nothing
	} else if !usableQuery.MatchString(at.query) {
		return "no file can be found by its query", nil
	}
	if err := c.keep(at, k, a); err != nil {
		return "", err
	}
	switch {
	case k == kindFile:
		c.report.Files++
	case a.status == http.StatusOK:
		c.report.Pages++
	default:
		c.report.Redirects++
	}
	c.report.Bytes += a.size
	return "", nil
}

// moved is the page in the place of a redirect.
var moved = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("moved").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Moved</title><link rel="canonical" href="{{.}}"><meta http-equiv="refresh" content="0; url={{.}}"></head>
<body><p>This page is at <a href="{{.}}">{{.}}</a>.</p></body></html>
`))
})

// redirect makes a page of an answer that leads on; one that leads to itself leads
// to nothing.
func (c *crawl) redirect(at address, a *answer) (why string, err error) {
	to := a.Header().Get("Location")
	if next, w := c.follow(at, to); w == inside && next == at {
		return "leads to itself", nil
	}
	a.text.Reset()
	if err := moved().Execute(&a.text, to); err != nil {
		return "", err
	}
	a.size = int64(a.text.Len())
	a.Header().Set("Content-Type", "text/html; charset=utf-8")
	return "", nil
}

// readLinks notes where an answer leads.
func (c *crawl) readLinks(at address, a *answer) error {
	var links []string
	switch {
	case a.isPage():
		links = slices.Collect(linksIn(a.text.Bytes()))
	case a.isCSS():
		links = slices.Collect(linksInCSS(a.text.Bytes()))
	}
	seen := map[address]bool{}
	for _, link := range links {
		to, w := c.follow(at, link)
		switch {
		case w == elsewhere:
			c.report.External++
		case w == malformed:
			c.report.Broken = append(c.report.Broken, Link{at.String(), link, "is no address"})
		case w == nowhere, seen[to]:
		default:
			seen[to] = true
			if err := c.want(to); err != nil {
				return err
			}
			if _, answered := c.sums[to.path]; !answered || to.query != "" || c.known[to] != "" {
				c.links[to] = append(c.links[to], at.String())
			}
		}
	}
	return nil
}

// keep gives an answer its place. Where something else is in the way, it gets
// another.
func (c *crawl) keep(at address, k kind, a *answer) error {
	if usual(at.path) && !c.others[at.path] {
		err := a.moveTo(c.dir, fileOf(at, k))
		if err == nil || !inTheWay(err) {
			return err
		}
	}
	c.others[at.path] = true
	return a.moveTo(c.dir, otherFileOf(at, k))
}

// inTheWay tells that there is a file where a directory should be, or the other
// way round.
func inTheWay(err error) bool {
	return errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENAMETOOLONG)
}

// finish checks the links.
func (c *crawl) finish() *Report {
	for to, pages := range c.links {
		if why := c.known[to]; why != "" {
			for _, page := range pages {
				c.report.Broken = append(c.report.Broken, Link{page, to.String(), why})
			}
		}
	}
	slices.SortFunc(c.report.Broken, func(a, b Link) int {
		return cmp.Or(strings.Compare(a.Page, b.Page), strings.Compare(a.Target, b.Target))
	})
	return &c.report
}

// ask sends a request to the host, as a web server would for the visitor.
func (c *crawl) ask(ctx context.Context, at address) (*answer, error) {
	pairs := []gateway.Pair{
		{Name: "REQUEST_METHOD", Value: http.MethodGet}, {Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"},
		{Name: "SCRIPT_NAME", Value: c.base.Path}, {Name: "PATH_INFO", Value: at.path}, {Name: "QUERY_STRING", Value: at.query},
		{Name: "REQUEST_URI", Value: (&url.URL{Path: c.base.Path + at.path, RawQuery: at.query}).RequestURI()},
		{Name: "HTTP_HOST", Value: c.base.Host}, {Name: "REMOTE_ADDR", Value: "127.0.0.1"},
		{Name: "TRAC_ENV", Value: c.options.Dir},
	}
	if c.base.Scheme == "https" {
		pairs = append(pairs, gateway.Pair{Name: "HTTPS", Value: "on"})
	}
	if c.options.User != "" {
		pairs = append(pairs, gateway.Pair{Name: "REMOTE_USER", Value: c.options.User})
	}
	a := &answer{dir: c.dir, header: http.Header{}, most: c.options.MaxBytes - c.report.Bytes}
	vars, err := gateway.New(&gateway.Listener{Name: "export"}, pairs)
	if err != nil {
		a.status = http.StatusBadRequest // as from a web server
		return a, nil
	}
	r, err := gateway.NewRequest(ctx, vars, nil)
	if err != nil {
		a.status = http.StatusBadRequest
		return a, nil
	}
	if err := a.from(c.options.Host, r); err != nil {
		a.discard()
		return nil, err
	}
	return a, ctx.Err()
}
