package markup_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// elements and attributes that wiki text may become.
const (
	elements   = " a blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr li ol p pre span strong sub sup table td th tr ul "
	voids      = " br hr "
	attributes = " class colspan dir href id rel rowspan start style title width height lang align valign scope bgcolor border cellpadding " +
		"cellspacing summary abbr axis char charoff clear color frame headers hspace noshade nowrap rules span vspace "
)

// wellFormed tells what is wrong with html as a browser or an attacker would
// see it: an element or attribute that is not expected, a tag out of balance, a
// bare "<", ">" or "&", a link with a scheme that is not safe.
func wellFormed(html string) error {
	attr := regexp.MustCompile(`^ ([a-z]+)="([^"<>]*)"`)
	var open []string
	for rest := html; rest != ""; {
		i := strings.IndexByte(rest, '<')
		if i < 0 {
			i = len(rest)
		}
		if err := plainText(rest[:i]); err != nil {
			return err
		}
		if rest = rest[i:]; rest == "" {
			break
		}
		if after, ok := strings.CutPrefix(rest, "<!--"); ok {
			if _, rest, ok = strings.Cut(after, "-->"); !ok {
				return fmt.Errorf("a comment is not closed")
			}
			continue
		}
		tag, after, ok := strings.Cut(rest[1:], ">")
		if !ok {
			return fmt.Errorf("bare < at %.40q", rest)
		}
		rest = after
		if name, ok := strings.CutPrefix(tag, "/"); ok {
			if len(open) == 0 || open[len(open)-1] != name {
				return fmt.Errorf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
			continue
		}
		name, _, _ := strings.Cut(tag, " ")
		if !strings.Contains(elements, " "+name+" ") {
			return fmt.Errorf("element in <%s>", tag)
		}
		tail := tag[len(name):]
		var seen []string
		for m := attr.FindStringSubmatch(tail); m != nil; m = attr.FindStringSubmatch(tail) {
			if err := attribute(m[1], m[2]); err != nil {
				return err
			}
			if slices.Contains(seen, m[1]) {
				return fmt.Errorf("%s twice in <%s>", m[1], tag)
			}
			seen = append(seen, m[1])
			tail = tail[len(m[0]):]
		}
		switch void := strings.Contains(voids, " "+name+" "); {
		case void && tail == " /":
		case !void && tail == "":
			open = append(open, name)
		default:
			return fmt.Errorf("end of <%s>", tag)
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("left open: %v", open)
	}
	return nil
}

func plainText(s string) error {
	if strings.IndexByte(s, '>') >= 0 {
		return fmt.Errorf("bare > in %q", s)
	}
	for {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			return nil
		}
		s = s[i:]
		if !slices.ContainsFunc([]string{"&amp;", "&lt;", "&gt;", "&#34;", "&nbsp;"}, func(e string) bool { return strings.HasPrefix(s, e) }) {
			return fmt.Errorf("bare & in %.20q", s)
		}
		s = s[1:]
	}
}

func attribute(name, value string) error {
	if !strings.Contains(attributes, " "+name+" ") {
		return fmt.Errorf("attribute %s", name)
	}
	if err := plainText(value); err != nil {
		return err
	}
	if name == "style" {
		low := strings.ToLower(value)
		for _, bad := range []string{"expression", "javascript", "position: fixed", "url(http", "behavior", "binding"} {
			if strings.Contains(low, bad) {
				return fmt.Errorf("style %q", value)
			}
		}
	}
	if name != "href" {
		return nil
	}
	scheme, _, ok := strings.Cut(value, ":")
	if !ok || strings.ContainsAny(scheme, "/?#") {
		return nil
	}
	if !strings.Contains(" cvs file ftp git irc http https mailto news sftp smb ssh svn svn+ssh ", " "+strings.ToLower(scheme)+" ") {
		return fmt.Errorf("link to %q", value)
	}
	return nil
}
