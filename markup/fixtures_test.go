package markup_test

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"projhost/markup"
)

// fixtures is the project that the cases assume.
type fixtures struct {
	Base    string `json:"base_href"`
	AbsBase string `json:"abs_base_href"`
	Pages   []struct{ Name string }
	Tickets []struct {
		ID                                int
		Summary, Type, Status, Resolution string
		Comments                          []struct{ N int }
	}
	Reports     []struct{ ID int }
	Milestones  []struct{ Name string }
	Attachments []struct{ Realm, ID, Filename string }
	Config      [][3]string
}

func readJSON(t testing.TB, name string, to any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
}

// site resolves links for the project of the fixtures.
type site struct {
	fixtures
	config    map[string]string
	anonymous bool
}

var _ markup.Resolver = (*site)(nil)

func (s *site) page(name string) bool {
	for _, p := range s.Pages {
		if p.Name == name {
			return true
		}
	}
	return false
}

// Resolve implements [markup.Resolver].
func (s *site) Resolve(from markup.Context, l markup.Link) markup.Target {
	switch l.Realm {
	case "":
		return markup.Target{Href: s.Base + plus(l.Target) + plus(l.Query) + l.Fragment}
	case "wiki":
		return s.wiki(from, l)
	case "ticket", "bug", "issue":
		return s.ticket(l)
	case "comment":
		return s.comment(from, l)
	case "report":
		return s.report(l)
	case "changeset":
		return s.changeset(l)
	case "log":
		return s.log(l)
	case "milestone":
		return s.milestone(l)
	case "search":
		return s.search(l)
	case "htdocs":
		return markup.Target{Href: s.href("chrome", "site", l.Whole())}
	case "attachment", "raw-attachment":
		return s.attachment(from, l)
	}
	return s.intertrac(l)
}

func (s *site) wiki(from markup.Context, l markup.Link) markup.Target {
	current := ""
	if from.Realm == "wiki" {
		current = from.ID
	}
	name, version := l.Target, ""
	if l.Form != markup.FormRelative {
		name, version = markup.Page(current, l.Target, s.page)
	}
	t := markup.Target{Class: "wiki", Missing: !s.page(name)}
	if t.Missing && l.Form == markup.FormCamel && s.config["wiki ignore_missing_pages"] == "true" {
		return markup.Target{}
	}
	if !l.Labelled && s.config["wiki split_page_names"] == "true" && l.Form != markup.FormShort && l.Form != markup.FormCreole {
		t.Label = split(l.Label)
	}
	if t.Missing && s.anonymous {
		return t
	}
	if t.Missing {
		t.Rel = "nofollow"
	}
	t.Href = s.href("wiki", name)
	query := strings.TrimPrefix(l.Query, "?")
	if version != "" {
		query = strings.TrimSuffix("version="+version+"&"+query, "&")
	}
	if query != "" || l.Query != "" {
		t.Href += "?" + query
	}
	t.Href += l.Fragment
	return t
}

func split(label string) string {
	var out []rune
	runes := []rune(label)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && unicode.IsLower(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
			out = append(out, ' ')
		}
		out = append(out, r)
	}
	return string(out)
}

func (s *site) ticketTitle(id string) (class, title string, comments int) {
	n, _ := strconv.Atoi(id)
	for _, t := range s.Tickets {
		if t.ID == n && n > 0 {
			status := t.Status
			if t.Status == "closed" {
				status += ": " + t.Resolution
			}
			return t.Status + " ticket", "#" + id + ": " + t.Type + ": " + t.Summary + " (" + status + ")", len(t.Comments)
		}
	}
	return "", "", 0
}

func (s *site) ticket(l markup.Link) markup.Target {
	if strings.ContainsAny(l.Target, ",-") && !strings.Contains(l.Target, ":") || strings.TrimSpace(l.Target) == "" {
		return s.ticketRange(l)
	}
	class, title, _ := s.ticketTitle(l.Target)
	if class == "" {
		return markup.Target{Class: "ticket", Missing: true}
	}
	return markup.Target{Href: s.href("ticket", l.Target) + l.Query + l.Fragment, Class: class, Title: title}
}

func (s *site) ticketRange(l markup.Link) markup.Target {
	var ids []int
	for part := range strings.SplitSeq(l.Target, ",") {
		from, to, ok := strings.Cut(part, "-")
		if !ok {
			to = from
		}
		a, _ := strconv.Atoi(from)
		b, _ := strconv.Atoi(to)
		for ; a <= b; a++ {
			ids = append(ids, a)
		}
	}
	var parts []string
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		part := strconv.Itoa(ids[i])
		if j > i {
			part += "-" + strconv.Itoa(ids[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	t := markup.Target{
		Href:  s.Base + "/query?id=" + strings.Join(parts, "%2C"),
		Title: "Tickets " + strings.Join(parts, ", "),
		Label: strings.ReplaceAll(l.Label, ",", ",\u200b"),
	}
	if l.Query != "" {
		t.Href += "&" + l.Query[1:]
	}
	return t
}

func (s *site) comment(from markup.Context, l markup.Link) markup.Target {
	parts := strings.Split(l.Target, ":")
	n, id := parts[0], ""
	switch {
	case len(parts) == 3 && parts[0] == "ticket":
		id, n = parts[1], parts[2]
	case len(parts) == 3:
		id = parts[2]
	case from.Realm == "ticket":
		id = from.ID
	default:
		return markup.Target{Plain: true}
	}
	class, title, comments := s.ticketTitle(id)
	number, _ := strconv.Atoi(n)
	what := "Comment " + n
	if n == "description" {
		what = "Description"
	}
	switch {
	case class == "":
		return markup.Target{Class: "ticket", Missing: true, Title: "ticket does not exist"}
	case n != "description" && (number < 1 || number > comments):
		return markup.Target{Class: "ticket", Missing: true, Title: "ticket comment does not exist"}
	}
	t := markup.Target{Href: s.href("ticket", id) + "#comment:" + n, Class: class, Title: what + " for " + title}
	if from.Realm == "ticket" && from.ID == id {
		t.Class, t.Title = "ticket", what
	}
	return t
}

func (s *site) report(l markup.Link) markup.Target {
	n, _ := strconv.Atoi(l.Target)
	if n < 1 || n > len(s.Reports) {
		return markup.Target{Class: "report", Missing: true, Title: "report does not exist"}
	}
	return markup.Target{Href: s.href("report", l.Target) + l.Query, Class: "report"}
}

func (s *site) changeset(l markup.Link) markup.Target {
	rev, path, _ := strings.Cut(l.Target, "/")
	if n, err := strconv.Atoi(rev); err != nil || n < 1 || n > 120 {
		return markup.Target{Class: "changeset", Missing: true, Title: "No changeset " + rev + " in the repository"}
	}
	return markup.Target{Href: s.href("changeset", rev, path) + l.Fragment, Class: "changeset", Title: "Commit message of revision " + rev}
}

func (s *site) log(l markup.Link) markup.Target {
	path, revs, _ := strings.Cut(l.Target, "@")
	path = strings.Trim(path, "/")
	if revs == "zz" {
		return markup.Target{Class: "source", Missing: true, Title: "No changeset zz in the repository"}
	}
	t := markup.Target{Href: s.href("log", path), Class: "source"}
	if path == "" || path == "sandbox" {
		t.Href += "/"
	}
	revs = strings.ReplaceAll(strings.ReplaceAll(revs, ":", "-"), ",", "%2C")
	switch {
	case strings.Contains(revs, "-"):
		t.Href += "?revs=" + revs
	case revs != "":
		t.Href += "?rev=" + revs
	}
	t.Href += l.Query
	return t
}

func (s *site) milestone(l markup.Link) markup.Target {
	for _, m := range s.Milestones {
		if m.Name == l.Target {
			return markup.Target{Href: s.href("milestone", l.Target) + l.Query, Class: "milestone", Title: "No date set"}
		}
	}
	if s.anonymous {
		return markup.Target{Class: "milestone missing"}
	}
	return markup.Target{Href: s.href("milestone", l.Target) + l.Query, Class: "milestone", Missing: true, Rel: "nofollow"}
}

func (s *site) search(l markup.Link) markup.Target {
	t := markup.Target{Href: s.Base + "/search", Class: "search"}
	if l.Query != "" {
		t.Href += l.Query
	} else if l.Target != "" {
		t.Href += "?q=" + strings.ReplaceAll(l.Target, " ", "+")
	}
	return t
}

func (s *site) attachment(from markup.Context, l markup.Link) markup.Target {
	realm, id, file := from.Realm, from.ID, l.Target
	if p := strings.SplitN(l.Target, ":", 3); len(p) == 3 {
		realm, id, file = p[0], p[1], p[2]
		if realm != "wiki" && realm != "ticket" {
			file, realm, id = p[0], p[1], p[2]
		}
	}
	if !slices.ContainsFunc(s.Attachments, func(a struct{ Realm, ID, Filename string }) bool {
		return a.Realm == realm && a.ID == id && a.Filename == file
	}) {
		return markup.Target{Class: "attachment", Missing: true}
	}
	parent := id
	if realm == "ticket" {
		parent = "Ticket #" + id
	}
	raw := s.href("raw-attachment", realm, id, file) + l.Query
	t := markup.Target{Href: s.href("attachment", realm, id, file) + l.Query, Class: "attachment", Title: "Attachment '" + file + "' in " + parent}
	if l.Realm == "raw-attachment" {
		t.Href = raw
	} else {
		t.Extra = markup.Extra{Href: raw, Class: "trac-rawlink", Title: "Download"}
	}
	return t
}

func (s *site) intertrac(l markup.Link) markup.Target {
	name := strings.ToLower(l.Realm)
	if alias, ok := s.config["intertrac "+name]; ok {
		name = alias
	}
	url, title := s.config["intertrac "+name+".url"], s.config["intertrac "+name+".title"]
	if name == "trac" {
		url, title = "https://trac.edgewall.org", "The Trac Project"
	}
	if url == "" {
		return s.interwiki(l)
	}
	t := markup.Target{Href: url + "/intertrac/" + quote(l.Whole(), "/"), Title: title, External: true}
	if l.Whole() != "" {
		t.Title = l.Whole() + " in " + title
	}
	return t
}

func (s *site) interwiki(l markup.Link) markup.Target {
	t := markup.Target{External: true}
	first, rest, _ := strings.Cut(l.Target, ":")
	switch strings.ToLower(l.Realm) {
	case "seed":
		t.Href, t.Title = "http://seed.example.com/page/"+l.Whole(), l.Target+" in Seed"
	case "bolt":
		t.Href, t.Title = "http://bolt.example.com/b-"+l.Target+".html", "Bolt number "+l.Target
	case "pipe":
		t.Href, t.Title = "http://pipe.example.com/"+first+"/part/"+rest+"?fmt=x", "Part "+rest+" of "+first
		if l.Query != "" {
			t.Href += "&" + l.Query[1:]
		}
		t.Href += l.Fragment
	case "manual":
		t.Href, t.Title = "https://manual.example.com/"+l.Target+"?lang=en", "Manual page of "+l.Target
	case "rogue":
		t.Href = "javascript:" + l.Target
	default:
		return markup.Target{}
	}
	return t
}

// href is Trac's builder of links below the base path.
func (s *site) href(parts ...string) string {
	out := s.Base
	for _, p := range parts {
		if p = strings.Trim(p, "/"); p != "" {
			out += "/" + quote(p, "/!~*'()")
		}
	}
	return out
}

// quote percent-quotes all but letters, digits, "_.-" and the bytes of keep.
func quote(s, keep string) string {
	var out strings.Builder
	for i := range len(s) {
		c := s[i]
		if '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("_.-"+keep, c) >= 0 {
			out.WriteByte(c)
			continue
		}
		const hex = "0123456789ABCDEF"
		out.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
	}
	return out.String()
}

// plus quotes only what cannot stand in a link.
func plus(s string) string { return strings.ReplaceAll(s, " ", "%20") }
