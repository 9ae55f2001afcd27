package project

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"projhost/access/perm"
	"projhost/envs"
	"projhost/envs/tracini"
	"projhost/templates"
)

// navRule is what trac.ini says of one navigation entry: "X = disabled" hides
// it, X.label renames, X.href redirects, X.order sorts and X.permission
// restricts it. A name that no module offers becomes an entry of its own.
type navRule struct {
	name       string
	hidden     bool
	label      string
	href       string
	permission string
	order      float64
}

// navBars holds each environment's rules for its two bars.
var navBars = envs.NewSlot(func(e *envs.Env) map[string][]navRule {
	return map[string][]navRule{
		"mainnav": navRules(e.Config(), "mainnav"),
		"metanav": navRules(e.Config(), "metanav"),
	}
})

func navRules(config *tracini.Config, section string) []navRule {
	var rules []navRule
	for option, value := range config.Section(section) {
		name, key, dotted := strings.Cut(option, ".")
		i := slices.IndexFunc(rules, func(r navRule) bool { return r.name == name })
		if i < 0 {
			rules = append(rules, navRule{name: name, order: math.Inf(1)})
			i = len(rules) - 1
		}
		if !dotted {
			on, _ := tracini.ParseBool(value)
			rules[i].hidden = !on
			continue
		}
		rules[i].set(key, value)
	}
	return rules
}

func (r *navRule) set(key, value string) {
	switch key {
	case "label":
		r.label = value
	case "href":
		r.href = value
	case "permission":
		r.permission = value
	case "order":
		if f, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && !math.IsNaN(f) {
			r.order = f
		}
	}
}

// navLink is an entry on its way to the page.
type navLink struct {
	templates.NavItem
	order float64
}

// navigation is one bar as r's user sees it; offered is what modules put there.
func navigation(r *Request, bar string, offered []NavItem) ([]templates.NavItem, error) {
	rules := navBars.Get(r.Env)[bar]
	links := make([]navLink, 0, len(offered)+2)
	for _, it := range offered {
		item := templates.NavItem{Name: it.Name, Label: it.Label, Href: r.Href.Path(it.Path), AccessKey: it.AccessKey}
		if it.Post {
			item.PostToken = r.FormToken()
		}
		links = append(links, navLink{item, math.Inf(1)})
	}
	for _, rule := range rules {
		var err error
		if links, err = rule.apply(r, links); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(links, func(a, b navLink) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Name, b.Name))
	})
	items := make([]templates.NavItem, len(links))
	for i := range links {
		items[i] = links[i].NavItem
	}
	return items, nil
}

func (n navRule) apply(r *Request, links []navLink) ([]navLink, error) {
	i := slices.IndexFunc(links, func(l navLink) bool { return l.Name == n.name })
	allowed := !n.hidden
	if allowed && n.permission != "" {
		var err error
		if allowed, err = r.Perm.Has(r.Context(), n.permission, perm.Resource{}); err != nil {
			return nil, err
		}
	}
	switch {
	case !allowed && i >= 0:
		return slices.Delete(links, i, i+1), nil
	case !allowed, i < 0 && (n.href == "" || n.label == ""):
		return links, nil
	case i < 0:
		links = append(links, navLink{NavItem: templates.NavItem{Name: n.name}})
		i = len(links) - 1
	}
	links[i].order = n.order
	if n.label != "" {
		links[i].Label = n.label
	}
	if n.href != "" {
		links[i].Href = n.target(r)
		links[i].PostToken = "" // for this project's own handlers alone
	}
	return links, nil
}

// target is the link of an entry whose href is set: a path is below the
// project, and nothing but a web address may stand for itself.
func (n navRule) target(r *Request) string {
	switch {
	case strings.HasPrefix(n.href, "http://"), strings.HasPrefix(n.href, "https://"), strings.HasPrefix(n.href, "mailto:"):
		return n.href
	case strings.HasPrefix(n.href, "//"):
		return n.href
	}
	path, query, asked := strings.Cut(n.href, "?")
	link := r.Href.Path(path)
	if asked {
		link += "?" + query
	}
	return link
}
