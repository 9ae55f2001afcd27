// Package wiki is the module that shows a project's wiki.
package wiki

import (
	"cmp"
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

// page is a wiki page as permissions are about it.
func page(name string) perm.Resource { return perm.Resource{Realm: realm, ID: name} }

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
	return nav(r, startPage, project.NavItem{Name: "wiki", Label: "Wiki", Path: "/wiki", AccessKey: "1"})
}

// Metanav implements [project.Navigator]. Where nobody can write the guide, it is
// offered only if it is there.
func (Module) Metanav(r *project.Request) ([]project.NavItem, error) {
	if r.Env.ReadOnly() {
		if names, err := namesOf(r); err != nil || !names.has(guidePage) {
			return nil, err
		}
	}
	return nav(r, guidePage, project.NavItem{Name: "help", Label: "Help/Guide", Path: "/wiki/" + guidePage, AccessKey: "6"})
}

// Addresses implements [project.Lister]: each page, and its text. Pages whose name
// no address can have are left out.
func (Module) Addresses(r *project.Request, history bool) (list []string, err error) {
	type one struct {
		name    string
		version int // 0 for the page as it is
	}
	all := []one{{"", 0}}
	err = eachVersion(r.Context(), r.Env, func(name string, version int, latest bool) {
		if clean, moved, err := pageName(name); err != nil || moved || clean == "" {
			return
		}
		if history {
			all = append(all, one{name, version})
		}
		if latest {
			all = append(all, one{name, 0})
		}
	})
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		ok, err := mayView(r, cmp.Or(p.name, startPage), p.version)
		if err != nil {
			return nil, err
		}
		text := href.Arg{Name: "format", Value: "txt"}
		self, number := href.Base("").Path("wiki", p.name), href.Arg{Name: "version", Value: strconv.Itoa(p.version)}
		switch {
		case !ok:
		case p.name == "":
			list = append(list, self)
		case p.version == 0:
			list = append(list, self, href.Query(self, text))
		default:
			list = append(list, href.Query(self, number), href.Query(self, text, number))
		}
	}
	return list, nil
}

// mayView tells whether r's user may see a version of a page, 0 for the page as it is.
func mayView(r *project.Request, name string, version int) (bool, error) {
	return r.Perm.Has(r.Context(), actionView, page(name).At(version))
}

// shown tells whether there is a page and r's user may see it.
func shown(r *project.Request, names pageNames, name string) (bool, error) {
	if !names.has(name) {
		return false, nil
	}
	return mayView(r, name, 0)
}

// nav offers an entry that leads to a page to whoever may see that.
func nav(r *project.Request, to string, item project.NavItem) ([]project.NavItem, error) {
	ok, err := mayView(r, to, 0)
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
