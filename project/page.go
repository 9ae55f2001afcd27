package project

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"projhost/envs"
	"projhost/internal/fault"
	"projhost/internal/stage"
	"projhost/templates"
)

// Page is an HTML page: a body with the project's chrome around it. It is
// rendered whole before anything of it is sent.
type Page struct {
	Title        string
	Status       int // 0 is 200
	Body         templ.Component
	ContentClass string
	Ctxtnav      []templates.Link
	Alternates   []templates.Alternate
	Robots       string
	Nav          string    // the navigation entry the page belongs to: "wiki"
	Modified     time.Time // of what Body shows; zero if that is not known
}

var _ Reply = Page{}

// pagePolicy is the Content-Security-Policy of pages. Styles may be inline,
// since wiki text may style a table cell; scripts may not.
const pagePolicy = "default-src 'self'; img-src * data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"

// buffers are what pages are rendered into.
var buffers = sync.OnceValue(func() *sync.Pool {
	return &sync.Pool{New: func() any { return new(bytes.Buffer) }}
})

// maxPooled keeps one huge page from being held for ever.
const maxPooled = 1 << 20

// Write implements [Reply].
func (p Page) Write(w http.ResponseWriter, r *Request) error {
	chrome, err := chromeOf(r, p.Nav)
	if err != nil {
		return err
	}
	chrome.Title, chrome.ContentClass, chrome.Robots = p.Title, p.ContentClass, p.Robots
	chrome.Ctxtnav = p.Ctxtnav
	chrome.Alternates = append(chrome.Alternates, p.Alternates...)
	buf := buffers().Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= maxPooled {
			buffers().Put(buf)
		}
	}()
	if err := p.render(r.Context(), buf, chrome); err != nil {
		return fmt.Errorf("rendering the page %q: %w", p.Title, err)
	}
	h := w.Header()
	pageHeader(h, r.Env)
	r.WriteCookies(h)
	return r.send(w, cmp.Or(p.Status, http.StatusOK), buf.Bytes(), later(p.Modified, configured.Get(r.Env)))
}

func (p Page) render(ctx context.Context, buf *bytes.Buffer, chrome *templates.Chrome) error {
	clock := stage.Of(ctx)
	clock.Begin(stage.Render)
	defer clock.End(stage.Render)
	return templates.Layout(chrome, p.Body).Render(ctx, buf)
}

// pageHeader sets what goes with every page, then what [http-headers] adds.
func pageHeader(h http.Header, e *envs.Env) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "same-origin")
	for _, extra := range extraHeaders.Get(e) {
		if h.Get(extra[0]) == "" || extra[0] == "Content-Security-Policy" || extra[0] == "Referrer-Policy" {
			h.Set(extra[0], extra[1])
		}
	}
}

// extraHeaders holds what [http-headers] of each environment may add.
var extraHeaders = envs.NewSlot(func(e *envs.Env) (list [][2]string) {
	for name, value := range e.Config().Section("http-headers") {
		if !usableHeader(name, value) {
			e.Log().Warn("[http-headers] option is not usable and left out", "option", name)
			continue
		}
		list = append(list, [2]string{http.CanonicalHeaderKey(name), value})
	}
	return list
})

// usableHeader refuses headers that the answer itself decides, as Trac does,
// names that are no tokens and values with control characters.
func usableHeader(name, value string) bool {
	switch strings.ToLower(name) {
	case "content-type", "content-length", "location", "etag", "pragma", "cache-control", "expires", "set-cookie", "transfer-encoding", "connection":
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	return name != "" && !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

// RenderFailure writes the page that tells of p in the project's look.
func RenderFailure(ctx context.Context, buf *bytes.Buffer, r *Request, p templates.Problem) error {
	of := *r
	of.Request = r.WithContext(ctx)
	chrome, err := chromeOf(&of, "")
	if err != nil {
		return err
	}
	if p.Status == http.StatusForbidden && r.Env.ReadOnly() { // where nobody signs in
		p.Advice = cmp.Or(p.Advice, "Ask the people who run this project.")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			p.Heading = cmp.Or(p.Heading, "This cannot be changed")
		}
	}
	return templates.Error(chrome, p).Render(ctx, buf)
}

// PagePolicy is the Content-Security-Policy of a project's pages.
func PagePolicy() string { return pagePolicy }

// brand is what trac.ini says of a project's looks, read once.
type brand struct {
	name, descr, footer string
	icon, logoSrc       string
	logo                *templates.Logo
}

var brands = envs.NewSlot(func(e *envs.Env) *brand {
	c := e.Config()
	b := &brand{
		name: c.String("project", "name"), descr: c.String("project", "descr"),
		footer: c.String("project", "footer"), icon: c.String("project", "icon"),
		logoSrc: strings.TrimSpace(c.String("header_logo", "src")),
	}
	if b.name == "" {
		b.name = e.Name()
	}
	// Trac's default names a picture that no project has, and a text that asks
	// to be configured; neither is worth showing.
	if b.logoSrc != "" && b.logoSrc != "site/your_project_logo.png" {
		b.logo = &templates.Logo{
			Alt: c.String("header_logo", "alt"), Link: c.String("header_logo", "link"),
			Width: c.Int("header_logo", "width"), Height: c.Int("header_logo", "height"),
		}
		if strings.HasPrefix(b.logo.Alt, "(please configure") {
			b.logo.Alt = ""
		}
	}
	return b
})

// Generator names the program on its pages.
const Generator = "projhost"

// chromeOf gathers what surrounds a page for r's user; nav names the
// navigation entry the page belongs to, if any.
func chromeOf(r *Request, nav string) (*templates.Chrome, error) {
	b := brands.Get(r.Env)
	c := &templates.Chrome{
		Project: b.name, Descr: b.descr, FooterHTML: b.footer, Generator: Generator,
		Home: r.Href.Path(), Assets: r.Href.Path("chrome", "common"),
		Start: r.Href.Path(), User: r.User.Name(), RequestID: r.ID,
	}
	if b.icon != "" {
		c.Icon = chromeLink(r, b.icon)
	}
	if b.logo != nil {
		logo := *b.logo
		logo.Src = chromeLink(r, b.logoSrc)
		if strings.HasPrefix(logo.Link, "/") && !strings.HasPrefix(logo.Link, "//") {
			logo.Link = r.Href.Path(logo.Link)
		}
		c.Logo = &logo
	}
	if _, kept := r.keepable(); kept {
		c.RequestID = "" // the page is not of this request alone
	}
	var err error
	if c.ReadOnly, err = r.readOnlyNotice(); err != nil {
		return nil, err
	}
	if c.Mainnav, err = bar(r, "mainnav", Navigator.Mainnav); err != nil {
		return nil, err
	}
	if c.Metanav, err = bar(r, "metanav", Navigator.Metanav); err != nil {
		return nil, err
	}
	for _, item := range c.Metanav {
		if item.Name == "help" {
			c.Help = item.Href
		}
	}
	for i := range c.Mainnav {
		c.Mainnav[i].Active = c.Mainnav[i].Name == nav
	}
	return c, nil
}

// bar gathers one bar's entries from all modules.
func bar(r *Request, name string, offered func(Navigator, *Request) ([]NavItem, error)) ([]templates.NavItem, error) {
	var items []NavItem
	for _, n := range r.Site.navigators {
		more, err := offered(n, r)
		if err != nil {
			return nil, err
		}
		items = append(items, more...)
	}
	return navigation(r, name, items)
}

// chromeLink is the link to a picture that trac.ini names: an address stands
// for itself, a path is below /chrome, a bare name is one of the program's own.
func chromeLink(r *Request, src string) string {
	switch {
	case strings.HasPrefix(src, "http://"), strings.HasPrefix(src, "https://"), strings.HasPrefix(src, "/"):
		return src
	case strings.Contains(src, "/"):
		if name, ok := strings.CutPrefix(src, "common/"); ok {
			return templates.AssetHref(r.Href.Path("chrome", "common"), name)
		}
		return r.Href.Path("chrome", src)
	}
	return templates.AssetHref(r.Href.Path("chrome", "common"), src)
}

// clientGone makes a failed write what it is: nobody is there to answer.
func clientGone(err error) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(fault.Canceled, "", err)
}
