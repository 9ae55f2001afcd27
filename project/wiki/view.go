package wiki

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"projhost/envs"
	"projhost/internal/fault"
	"projhost/internal/href"
	"projhost/markup"
	"projhost/project"
	"projhost/templates"
	pages "projhost/templates/wiki"
)

// maxText bounds the text that is rendered, in bytes: sixteen times what Trac
// lets its editor save.
const maxText = 4 << 20

// view answers a wiki page's address: the page, one of its versions, or its
// text.
func view(r *project.Request) (project.Reply, error) {
	name, moved, err := pageName(r.Wildcard())
	if err != nil {
		return nil, err
	}
	if moved || name == "" && strings.HasSuffix(r.URL.Path, "/wiki/") {
		return project.Redirect{Path: "/wiki/" + name, Query: r.URL.RawQuery, Permanent: name == ""}, nil
	}
	if name == "" {
		name = startPage
	}
	args := r.URL.Query()
	number, wrong := checkArgs(args)
	if err := r.Perm.Require(r.Context(), actionView, page(name).At(number)); err != nil {
		return nil, err
	}
	if wrong != nil {
		return nil, wrong
	}
	v, names, found, err := load(r.Context(), r.Env, name, number)
	if err != nil {
		return nil, err
	}
	r.Keep(namesKey{}, names)
	switch {
	case !found && v.Latest > 0:
		return nil, fault.New(fault.NotFound, fmt.Sprintf("The page %s has no version %d; its newest is %d.", name, number, v.Latest))
	case !found:
		return missing(r, name, names)
	case args.Get("format") == "txt":
		return project.Text{FileName: name + ".txt", Body: v.Text, Modified: v.Time}, nil
	}
	if len(v.Text) > maxText {
		return nil, fault.New(fault.TooLarge, fmt.Sprintf("The page %s is too long to be shown. Its text can be had with ?format=txt.", name))
	}
	return show(r, v, names, number != 0)
}

// checkArgs reads the version that is asked for, 0 for the newest, and refuses
// what this module does not offer.
func checkArgs(args url.Values) (number int, err error) {
	switch action := args.Get("action"); action {
	case "edit", "delete", "rename", "edit_comment", "diff", "history":
		return 0, fault.New(fault.NotFound, fmt.Sprintf("This server shows wiki pages but does not offer %q yet.", action))
	}
	if f := args.Get("format"); f != "" && f != "txt" {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("A wiki page cannot be had in the format %q, only as txt.", f))
	}
	s := args.Get("version")
	if s == "" {
		return 0, nil
	}
	number, err = strconv.Atoi(s)
	if err != nil {
		return 0, fault.Wrap(fault.Invalid, fmt.Sprintf("%q is not the number of a version.", s), err)
	}
	if number < 1 {
		return 0, fault.New(fault.NotFound, fmt.Sprintf("There is no version %d: the first is 1.", number))
	}
	return number, nil
}

// show makes the page of a version; asked says that it was named by number.
func show(r *project.Request, v version, names pageNames, asked bool) (project.Reply, error) {
	html, err := r.Site.Render(r, markup.Context{Realm: realm, ID: v.Name}, docs.Get(r.Env).of(v.Name, v.Text))
	if err != nil {
		return nil, err
	}
	author, err := r.ShowAuthor(v.Author)
	if err != nil {
		return nil, err
	}
	way, around, err := surroundings(r, v.Name, names)
	if err != nil {
		return nil, err
	}
	self := r.Href.Path("wiki", v.Name)
	body := &pages.Page{
		Name: v.Name, Crumbs: way, HTML: html, Version: v.Number, Latest: v.Latest,
		Author: author, Comment: v.Comment, OldVersion: asked,
		Time: templates.Time{Text: r.Locale.DateTime(v.Time), Machine: v.Time.Format(time.RFC3339)},
	}
	page := project.Page{Title: v.Name, Body: pages.View(body), ContentClass: "wiki narrow", Nav: "wiki", Ctxtnav: around, Modified: v.Time}
	if v.Name == startPage {
		page.Title = ""
	}
	text := []href.Arg{{Name: "format", Value: "txt"}}
	if asked {
		versionLinks(body, self)
		text = append(text, href.Arg{Name: "version", Value: strconv.Itoa(v.Number)})
	}
	if asked || v.Author == "trac" {
		page.Robots = "noindex, nofollow"
	}
	page.Alternates = []templates.Alternate{{Href: href.Query(self, text...), Type: "text/x-trac-wiki", Title: "Plain Text"}}
	return page, nil
}

// versionLinks adds the ways from one version to its neighbours.
func versionLinks(p *pages.Page, self string) {
	at := func(n int) string {
		return href.Query(self, href.Arg{Name: "version", Value: strconv.Itoa(n)})
	}
	if p.Version > 1 {
		p.PrevHref = at(p.Version - 1)
	}
	if p.Version < p.Latest {
		p.NextHref = at(p.Version + 1)
	}
	p.LatestHref = self
}

// surroundings are the way to a page, as crumbs has it, and what else there is
// around it.
func surroundings(r *project.Request, name string, names pageNames) (way []pages.Crumb, around []templates.Link, err error) {
	if way, err = crumbs(r, name, names); err != nil {
		return nil, nil, err
	}
	around, err = contextNav(r, name, names)
	return way, around, err
}

// leads tells whether to link to a page above another: one that could be written is
// linked, too, unless nobody can.
func leads(r *project.Request, names pageNames, name string) (bool, error) {
	if !r.Env.ReadOnly() {
		return true, nil
	}
	return shown(r, names, name)
}

// crumbs is the way to a page: "wiki:", then each of the name's parts.
func crumbs(r *project.Request, name string, names pageNames) ([]pages.Crumb, error) {
	list := []pages.Crumb{{Label: "wiki:", Href: r.Href.Path("wiki")}}
	end := 0
	for part := range strings.SplitSeq(name, "/") {
		end += len(part)
		c := pages.Crumb{Label: part}
		linked, err := leads(r, names, name[:end])
		if err != nil {
			return nil, err
		}
		if linked {
			c.Href = r.Href.Path("wiki", name[:end])
		}
		list = append(list, c)
		end++
	}
	return list, nil
}

// contextNav is what else there is around a page. The index of pages is a page
// itself, which Trac makes in every new project.
func contextNav(r *project.Request, name string, names pageNames) (list []templates.Link, err error) {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		up, err := leads(r, names, name[:i])
		if err != nil {
			return nil, err
		}
		if up {
			list = append(list, templates.Link{Label: "Up", Href: r.Href.Path("wiki", name[:i])})
		}
	}
	start, err := mayView(r, startPage, 0)
	if err != nil {
		return nil, err
	}
	if start {
		list = append(list, templates.Link{Label: "Start Page", Href: r.Href.Path("wiki", startPage)})
	}
	index, err := shown(r, names, indexPage)
	if index {
		list = append(list, templates.Link{Label: "Index", Href: r.Href.Path("wiki", indexPage)})
	}
	return list, err
}

// missing answers for a page that is not there, with pages that may be meant.
func missing(r *project.Request, name string, names pageNames) (project.Reply, error) {
	way, around, err := surroundings(r, name, names)
	if err != nil {
		return nil, err
	}
	body := &pages.MissingPage{Name: name, Crumbs: way, Start: r.Href.Path("wiki")}
	offer := func(list []templates.Link, n string) ([]templates.Link, error) {
		ok, err := shown(r, names, n)
		if l := (templates.Link{Label: n, Href: r.Href.Path("wiki", n)}); ok && !slices.Contains(body.Parents, l) {
			list = append(list, l)
		}
		return list, err
	}
	last := name[strings.LastIndexByte(name, '/')+1:]
	for up := name; strings.Contains(up, "/"); {
		up = up[:strings.LastIndexByte(up, '/')]
		higher := last
		if i := strings.LastIndexByte(up, '/'); i >= 0 {
			higher = up[:i+1] + last
		}
		if body.Parents, err = offer(body.Parents, higher); err != nil {
			return nil, err
		}
	}
	for _, n := range related(names, name) {
		if len(body.Related) == maxRelated {
			break
		}
		if body.Related, err = offer(body.Related, n); err != nil {
			return nil, err
		}
	}
	return project.Page{Title: name, Status: 404, Body: pages.Missing(body), ContentClass: "wiki", Nav: "wiki", Ctxtnav: around, Robots: "noindex, nofollow"}, nil
}

// maxRelated bounds the pages that are offered in the place of a missing one.
const maxRelated = 50

// docs holds each environment's parsed pages.
var docs = envs.NewSlot(func(*envs.Env) *docCache { return &docCache{docs: make(map[string]parsed)} })

// maxDocs bounds the parsed pages an environment keeps, in bytes.
const maxDocs = 512 << 10

// docCache remembers the trees of page texts. What links lead to is not part
// of a tree, so one stays right for as long as the text is the same; the text
// is compared, since a page may be replaced behind our back.
type docCache struct {
	mu    sync.Mutex
	bytes int
	docs  map[string]parsed
}

type parsed struct {
	text string
	doc  *markup.Doc
	size int
}

// of returns the tree of a page's text.
func (c *docCache) of(name, text string) *markup.Doc {
	c.mu.Lock()
	p, ok := c.docs[name]
	c.mu.Unlock()
	if ok && p.text == text {
		return p.doc
	}
	doc := markup.Parse(text)
	c.keep(name, parsed{text, doc, len(name) + len(text) + doc.Size()})
	return doc
}

// keep adds a tree and drops others, chosen by chance, until all fit.
func (c *docCache) keep(name string, p parsed) {
	if p.size > maxDocs/2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += p.size - c.docs[name].size
	c.docs[name] = p
	for other, q := range c.docs {
		if c.bytes <= maxDocs {
			break
		}
		if other != name {
			c.bytes -= q.size
			delete(c.docs, other)
		}
	}
}
