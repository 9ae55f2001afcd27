package export

import (
	"bytes"
	"iter"
	"net/url"
	"path"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// linksIn ranges over the links of a page, as they stand in it.
func linksIn(page []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		z := html.NewTokenizer(bytes.NewReader(page))
		for {
			kind := z.Next()
			if kind == html.ErrorToken {
				return // the end: in memory, there is no other error
			}
			if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
				continue
			}
			_, more := z.TagName()
			for more {
				var name, value []byte
				name, value, more = z.TagAttr()
				for link := range linksOf(string(name), string(value)) {
					if !yield(link) {
						return
					}
				}
			}
		}
	}
}

// linksOf are the links in an attribute.
func linksOf(name, value string) iter.Seq[string] {
	return func(yield func(string) bool) {
		switch name {
		case "href", "src", "action", "poster", "data":
			yield(strings.TrimSpace(value))
		case "srcset":
			for candidate := range strings.SplitSeq(value, ",") {
				if f := strings.Fields(candidate); len(f) > 0 && !yield(f[0]) {
					return
				}
			}
		}
	}
}

var cssURL = regexp.MustCompile(`url\(\s*["']?([^"')\s]+)`)

// linksInCSS ranges over the links of a style sheet.
func linksInCSS(text []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, m := range cssURL.FindAllSubmatch(text, -1) {
			if !yield(string(m[1])) {
				return
			}
		}
	}
}

// where is what a link leads to.
type where int

const (
	inside    where = iota // the project
	elsewhere              // another place on the web
	nowhere                // no place at all: a mail address, say
	malformed
)

// follow finds out where a link leads that stands in the answer of an address.
func (c *crawl) follow(from address, link string) (to address, w where) {
	ref, err := url.Parse(link)
	if err != nil {
		return address{path: link}, malformed
	}
	page := url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: c.base.Path + from.path, RawQuery: from.query}
	if from.path == "/" && c.base.Path != "" {
		page.Path = c.base.Path // relative links count from the project's directory's parent
	}
	u := page.ResolveReference(ref)
	if u.Scheme != "http" && u.Scheme != "https" {
		return address{}, nowhere
	}
	below, ok := strings.CutPrefix(u.Path, c.base.Path)
	if !strings.EqualFold(u.Host, c.base.Host) || !ok || below != "" && below[0] != '/' {
		return address{}, elsewhere
	}
	return address{path.Clean("/" + below), u.RawQuery}, inside
}
