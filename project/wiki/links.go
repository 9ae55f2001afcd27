package wiki

import (
	"strings"

	"projhost/internal/href"
	"projhost/markup"
	"projhost/project"
)

// LinkRealms implements [project.Linker].
func (Module) LinkRealms() []string { return []string{realm} }

// Links implements [project.Linker]: a page that is there is linked, one that is
// not only for whoever could write it, and none for whoever may not see it, be it
// there or not.
func (Module) Links(r *project.Request) (project.LinkFunc, error) {
	names, err := namesOf(r)
	if err != nil {
		return nil, err
	}
	ignoreMissing := r.Env.Config().Bool("wiki", "ignore_missing_pages")
	return func(from markup.Context, l markup.Link) (to markup.Target, err error) {
		name, version := pageOf(from, l, names)
		res := page(name)
		res.Version = version
		seen, err := r.Perm.Has(r.Context(), actionView, res)
		switch {
		case err != nil:
			return to, err
		case !seen:
			return markup.Target{Class: "forbidden wiki", Title: "no permission to view this wiki page"}, nil
		case names.has(name):
			return markup.Target{Href: pageHref(r, name, version, l), Class: "wiki"}, nil
		case ignoreMissing && l.Form == markup.FormCamel:
			return to, nil
		}
		to = markup.Target{Class: "wiki", Missing: true}
		created, err := r.Perm.Has(r.Context(), actionCreate, page(name))
		if created {
			to.Href, to.Rel = pageHref(r, name, version, l), "nofollow"
		}
		return to, err
	}, nil
}

// pageOf is the page a link means, and the version it asks for. A relative link
// names its page in full; any other is looked for around the page it stands on.
func pageOf(from markup.Context, l markup.Link, names pageNames) (name, version string) {
	if l.Form == markup.FormRelative {
		name, version, _ = strings.Cut(l.Target, "@")
		return name, version
	}
	current := ""
	if from.Realm == realm {
		current = from.ID
	}
	return markup.Page(current, l.Target, names.has)
}

// pageHref is the link to a page, with its version and what the link had of a
// query and a fragment.
func pageHref(r *project.Request, name, version string, l markup.Link) string {
	link := r.Href.Path("wiki", name)
	if version != "" {
		link = href.Query(link, href.Arg{Name: "version", Value: version})
	}
	if more := strings.TrimPrefix(l.Query, "?"); more != "" {
		sep := "?"
		if version != "" {
			sep = "&"
		}
		link += sep + more
	}
	return link + l.Fragment
}
