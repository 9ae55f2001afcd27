// Package wiki is the module that shows a project's wiki.
package wiki

import (
	"fmt"
	"strconv"
	"strings"

	"projhost/access/perm"
	"projhost/internal/fault"
	"projhost/internal/href"
	"projhost/project"
)

// startPage is the page a project opens with.
const startPage = "WikiStart"

// guidePage is the page the navigation calls help.
const guidePage = "TracGuide"

// indexPage lists all pages, by its macro.
const indexPage = "TitleIndex"

const realm = "wiki"

// The actions this module asks for.
const (
	actionView   = "WIKI_VIEW"
	actionCreate = "WIKI_CREATE"
)

// Module shows wiki pages.
type Module struct{}

var (
	_ project.Module    = Module{}
	_ project.Navigator = Module{}
	_ project.Starter   = Module{}
	_ project.Linker    = Module{}
	_ project.Lister    = Module{}
)

// Name implements [project.Module].
func (Module) Name() string { return "wiki" }

// Routes implements [project.Module].
func (Module) Routes(r project.Router) {
	r.Get("/wiki", view)
	r.Get("/wiki/*", view)
}

// StartName implements [project.Starter].
func (Module) StartName() string { return "WikiModule" }

// Start implements [project.Starter].
func (Module) Start(r *project.Request) (project.Reply, error) { return view(r) }

// Mainnav implements [project.Navigator].
func (Module) Mainnav(r *project.Request) ([]project.NavItem, error) {
	return nav(r, project.NavItem{Name: "wiki", Label: "Wiki", Path: "/wiki", AccessKey: "1"})
}

// Metanav implements [project.Navigator]. Where nobody can write the guide, it is
// offered only if it is there.
func (Module) Metanav(r *project.Request) ([]project.NavItem, error) {
	if r.Env.ReadOnly() {
		if names, err := namesOf(r); err != nil || !names.has(guidePage) {
			return nil, err
		}
	}
	return nav(r, project.NavItem{Name: "help", Label: "Help/Guide", Path: "/wiki/" + guidePage, AccessKey: "6"})
}

// Addresses implements [project.Lister]: each page, and its text. Pages whose name
// no address can have are left out.
func (Module) Addresses(r *project.Request, history bool) (list []string, err error) {
	ok, err := r.Perm.Has(r.Context(), actionView, perm.Resource{Realm: realm})
	if err != nil || !ok {
		return nil, err
	}
	list = append(list, "/wiki")
	err = eachVersion(r.Context(), r.Env, func(name string, version int, latest bool) {
		if clean, moved, err := pageName(name); err != nil || moved || clean == "" {
			return
		}
		self, text := href.Base("").Path("wiki", name), href.Arg{Name: "format", Value: "txt"}
		if history {
			number := href.Arg{Name: "version", Value: strconv.Itoa(version)}
			list = append(list, href.Query(self, number), href.Query(self, text, number))
		}
		if latest {
			list = append(list, self, href.Query(self, text))
		}
	})
	return list, err
}

func nav(r *project.Request, item project.NavItem) ([]project.NavItem, error) {
	ok, err := r.Perm.Has(r.Context(), actionView, perm.Resource{Realm: realm})
	if err != nil || !ok {
		return nil, err
	}
	return []project.NavItem{item}, nil
}

// pageName returns the name of the page an address means; moved is true if the
// address is another spelling of it, to be redirected.
func pageName(path string) (name string, moved bool, err error) {
	parts := strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
	for _, p := range parts {
		if p == "." || p == ".." {
			return "", false, fault.New(fault.Invalid, fmt.Sprintf("%q cannot be the name of a wiki page.", path))
		}
	}
	name = strings.Join(parts, "/")
	return name, name != path, nil
}
