package deploy_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"projhost/deploy"
)

// webElement is an element of a web.config.
type webElement struct {
	name  string
	attrs map[string]string
	kids  []*webElement
}

// webKind is what an element may have: attributes with the kinds of their values,
// and elements, each once unless it has a "*". "!" is required.
type webKind struct {
	attrs map[string]string
	kids  string
}

// webKinds are the elements that IIS's and URL Rewrite's schemas allow in a site's
// web.config, as far as they are written. Sections that only applicationHost.config
// may have (proxy, fastCgi, allowedServerVariables) are not among them.
func webKinds() map[string]webKind {
	pattern := "ECMAScript Wildcard ExactMatch"
	return map[string]webKind{
		"configuration":    {nil, "system.webServer!"},
		"system.webServer": {nil, "security httpErrors rewrite"},
		"security":         {nil, "requestFiltering"},
		"requestFiltering": {map[string]string{"allowDoubleEscaping": "true false", "allowHighBitCharacters": "true false"}, "requestLimits"},
		"requestLimits":    {map[string]string{"maxAllowedContentLength": "(number)", "maxUrl": "(number)", "maxQueryString": "(number)"}, ""},
		"httpErrors":       {map[string]string{"existingResponse": "Auto Replace PassThrough", "errorMode": "DetailedLocalOnly Custom Detailed"}, ""},
		"rewrite":          {nil, "rules"},
		"rules":            {nil, "rule*"},
		"rule":             {map[string]string{"name!": "(text)", "enabled": "true false", "patternSyntax": pattern, "stopProcessing": "true false"}, "match! conditions serverVariables action!"},
		"match":            {map[string]string{"url!": "(regex)", "ignoreCase": "true false", "negate": "true false"}, ""},
		"conditions":       {map[string]string{"logicalGrouping": "MatchAll MatchAny", "trackAllCaptures": "true false"}, "add*"},
		"add":              {map[string]string{"input!": "(text)", "matchType": "Pattern IsFile IsDirectory", "pattern": "(regex)", "ignoreCase": "true false", "negate": "true false"}, ""},
		"serverVariables":  {nil, "set*"},
		"set":              {map[string]string{"name!": "(variable)", "value!": "(text)", "replace": "true false"}, ""},
		"action":           {map[string]string{"type!": "None Rewrite Redirect CustomResponse AbortRequest", "url": "(url)", "appendQueryString": "true false", "logRewrittenUrl": "true false"}, ""},
	}
}

// checkWebKind checks an attribute's value.
func checkWebKind(kind, value string) error {
	expr := ""
	switch kind {
	case "(variable)": // a header as a server variable
		expr = `^HTTP_[A-Z0-9_]+$`
	case "(url)": // to a listener of ours, with the address as it came
		expr = `^http://([a-z0-9.]+|\[[0-9a-f:]+\]):[1-9][0-9]{0,4}\{UNENCODED_URL\}$`
	default:
		return checkKind(kind, value)
	}
	if !regexp.MustCompile(expr).MatchString(value) {
		return fmt.Errorf("%q is no %s", value, kind)
	}
	return nil
}

// parseWeb reads a web.config and returns its root and its comments. Names are
// compared with their case.
func parseWeb(text string) (*webElement, string, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	top := &webElement{}
	stack := []*webElement{top}
	var comments strings.Builder
	for first := true; ; first = false {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", err
		}
		e := stack[len(stack)-1]
		switch x := token.(type) {
		case xml.ProcInst:
			if !first || x.Target != "xml" || string(x.Inst) != `version="1.0" encoding="UTF-8"` {
				return nil, "", fmt.Errorf("<?%s %s?> is no declaration at the beginning", x.Target, x.Inst)
			}
		case xml.Directive:
			return nil, "", fmt.Errorf("<!%s>", x)
		case xml.Comment:
			comments.Write(x)
		case xml.CharData:
			if strings.TrimSpace(string(x)) != "" {
				return nil, "", fmt.Errorf("text %q in <%s>", x, e.name)
			}
		case xml.StartElement:
			kid := &webElement{name: x.Name.Local, attrs: map[string]string{}}
			for _, a := range x.Attr {
				if _, twice := kid.attrs[a.Name.Local]; twice || a.Name.Space != "" {
					return nil, "", fmt.Errorf("attribute %s of <%s> twice, or in a namespace", a.Name.Local, kid.name)
				}
				kid.attrs[a.Name.Local] = a.Value
			}
			e.kids = append(e.kids, kid)
			stack = append(stack, kid)
		case xml.EndElement:
			if err := checkWebElement(e); err != nil {
				return nil, "", fmt.Errorf("<%s>: %w", e.name, err)
			}
			stack = stack[:len(stack)-1]
		}
	}
	if len(top.kids) != 1 || top.kids[0].name != "configuration" {
		return nil, "", fmt.Errorf("want one configuration")
	}
	return top.kids[0], comments.String(), nil
}

// checkWebElement checks an element by the schema.
func checkWebElement(e *webElement) error {
	kind, ok := webKinds()[e.name]
	if !ok {
		return fmt.Errorf("unknown element")
	}
	known := map[string]string{}
	for name, k := range kind.attrs {
		name, required := strings.CutSuffix(name, "!")
		known[name] = k
		if _, ok := e.attrs[name]; required && !ok {
			return fmt.Errorf("attribute %s is missing", name)
		}
	}
	for name, value := range e.attrs {
		k, ok := known[name]
		if !ok {
			return fmt.Errorf("unknown attribute %s", name)
		}
		if err := checkWebKind(k, value); err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	counts := map[string]int{}
	for _, kid := range e.kids {
		counts[kid.name]++
	}
	for _, name := range strings.Fields(kind.kids) {
		bare := strings.TrimRight(name, "!*")
		if n := counts[bare]; n > 1 && name[len(name)-1] != '*' || n == 0 && name[len(name)-1] == '!' {
			return fmt.Errorf("%d elements %s", n, bare)
		}
		delete(counts, bare)
	}
	for name := range counts {
		return fmt.Errorf("no <%s> may stand there", name)
	}
	return nil
}

// the returns the element of that name below e, an empty one if there is none.
func (e *webElement) the(names ...string) *webElement {
	for _, name := range names {
		i := slices.IndexFunc(e.kids, func(k *webElement) bool { return k.name == name })
		if i < 0 {
			return &webElement{}
		}
		e = e.kids[i]
	}
	return e
}

// readIIS is the reader of IIS.
func readIIS(p deploy.Planned, text string) error {
	root, comments, err := parseWeb(text)
	if err != nil {
		return err
	}
	var f findings
	names := map[string]bool{}
	rules := root.the("system.webServer", "rewrite", "rules").kids
	for _, r := range rules {
		name := r.attrs["name"]
		if names[name] {
			f.say("rule %q a second time", name)
		}
		names[name] = true
		if a := r.the("action").attrs; a["type"] != "Rewrite" || a["url"] == "" || a["appendQueryString"] != "false" || r.attrs["stopProcessing"] != "true" {
			f.say("rule %q: it does not end with a request to projhost", name)
		}
		if pattern := r.attrs["patternSyntax"]; pattern != "" && pattern != "ECMAScript" {
			f.say("rule %q: patterns are not %s", name, pattern)
		}
		for _, s := range r.the("serverVariables").kids {
			// URL Rewrite answers 500 if it sets what applicationHost.config does not allow.
			if !strings.Contains(comments, "/allowedServerVariables /+[name='"+s.attrs["name"]+"']") {
				f.say("rule %q sets %s, which nobody is told to allow", name, s.attrs["name"])
			}
		}
	}
	if root.the("system.webServer", "httpErrors").attrs["existingResponse"] != "PassThrough" {
		f.say("IIS would put its own page in place of an error's")
	}
	if root.the("system.webServer", "security", "requestFiltering", "requestLimits").attrs["maxAllowedContentLength"] != "268435456" {
		f.say("uploads may not have 256 MB")
	}
	for _, scheme := range []string{"http", "https"} {
		f.take(ask(p.Options, func(path string) (answer, error) { return routeIIS(p, rules, scheme, path) }))
	}
	return f.err()
}

// routeIIS is what the rules do with a request: the first that matches counts.
func routeIIS(p deploy.Planned, rules []*webElement, scheme, path string) (answer, error) {
	https := map[string]string{"http": "off", "https": "on"}[scheme]
	matches := func(attrs map[string]string, pattern, s string) bool {
		expr := attrs[pattern]
		if attrs["ignoreCase"] != "false" {
			expr = "(?i)" + expr
		}
		return regexp.MustCompile(expr).MatchString(s) != (attrs["negate"] == "true")
	}
	for _, r := range rules {
		// The path stands there without its first slash.
		ok := matches(r.the("match").attrs, "url", strings.TrimPrefix(path, "/"))
		for _, c := range r.the("conditions").kids {
			if c.attrs["input"] != "{HTTPS}" {
				return answer{}, fmt.Errorf("a condition of %q", c.attrs["input"])
			}
			ok = ok && matches(c.attrs, "pattern", https)
		}
		if !ok || r.attrs["enabled"] == "false" {
			continue
		}
		set := map[string]string{}
		for _, s := range r.the("serverVariables").kids {
			set[s.attrs["name"]] = s.attrs["value"]
		}
		want := map[string]string{"HTTP_X_FORWARDED_PROTO": scheme, "HTTP_X_FORWARDED_HOST": "{HTTP_HOST}", "HTTP_X_REMOTE_USER": ""}
		if !maps.Equal(set, want) {
			return answer{}, fmt.Errorf("rule %q by %s sets %q, want %q", r.attrs["name"], scheme, set, want)
		}
		url := strings.TrimPrefix(r.the("action").attrs["url"], "http://")
		l, err := listenerAt(p, strings.TrimSuffix(url, "{UNENCODED_URL}"))
		return answer{target: l.target}, err
	}
	return answer{}, nil
}

func TestIISRefuses(t *testing.T) {
	o := deploy.Options{
		Dir: "/srv/" + strange, Program: "/bin/projhost", Server: "iis",
		Mounts: []deploy.Mount{{Path: "/a <b> & \"c\" -->", Env: "/srv/-->" + strange}, {Path: "/", Parent: "/srv/trac"}},
	}
	refuses(t, o, readIIS, []broken{
		{"not XML", "</rules>", "</rule>", "closed by"},
		{"comment", "every environment in", "every -- environment in", `"--"`},
		{"declaration", `encoding="UTF-8"`, `encoding="UTF-16"`, "UTF-16"},
		{"doctype", "<configuration>", "<!DOCTYPE configuration><configuration>", "DOCTYPE"},
		{"two roots", "</configuration>", "</configuration><configuration><system.webServer/></configuration>", "want one configuration"},
		{"text", "<rules>", "<rules>rules", "text"},
		{"case of an element", "<httpErrors existingResponse=\"PassThrough\" />", "<httperrors existingResponse=\"PassThrough\" />", "unknown element"},
		{"case of an attribute", "existingResponse", "ExistingResponse", "unknown attribute"},
		{"attribute twice", `ignoreCase="false"`, `ignoreCase="false" ignoreCase="false"`, "twice"},
		{"element elsewhere", "<rules>", "<rules><match url=\"^\" />", "no <match>"},
		{"element twice", "<conditions>", "<conditions /><conditions>", "2 elements conditions"},
		{"locked section", "<rewrite>", "<rewrite><allowedServerVariables />", "unknown element"},
		{"condition on something else", "{HTTPS}", "{HTTP}", "a condition of"},
		{"no match", "<match url=\"^\" ignoreCase=\"false\" />", "", "0 elements match"},
		{"name missing", `rule name="projhost http on 1"`, "rule", "attribute name is missing"},
		{"name twice", `rule name="projhost http on 1"`, `rule name="projhost http off 1"`, "a second time"},
		{"switch", `stopProcessing="true"`, `stopProcessing="yes"`, "none of true false"},
		{"number", `maxAllowedContentLength="268435456"`, `maxAllowedContentLength="256MB"`, "none of (number)"},
		{"other limit", `maxAllowedContentLength="268435456"`, `maxAllowedContentLength="30000000"`, "256 MB"},
		{"enumeration", `type="Rewrite"`, `type="Proxy"`, "none of None"},
		{"redirect", `type="Rewrite"`, `type="Redirect"`, "a request to projhost"},
		{"next rule", ` stopProcessing="true"`, "", "a request to projhost"},
		{"query twice", ` appendQueryString="false"`, "", "a request to projhost"},
		{"wildcards", ` stopProcessing="true"`, ` stopProcessing="true" patternSyntax="Wildcard"`, "patterns are not"},
		{"decoded address", "{UNENCODED_URL}", "/{R:0}", "no (url)"},
		{"regular expression", "(?:/|$)", "(?:/|$", "none of (regex)"},
		{"errors", `existingResponse="PassThrough"`, `existingResponse="Replace"`, "its own page"},
		{"variable", `set name="HTTP_X_REMOTE_USER"`, `set name="X-Remote-User"`, "no (variable)"},
		{"variable not allowed", "[name='HTTP_X_REMOTE_USER']", "[name='HTTP_X_USER']", "told to allow"},
		{"visitor names the user", `<set name="HTTP_X_REMOTE_USER" value="" />`, "", "HTTP_X_REMOTE_USER"},
		{"scheme", `pattern="^on$"`, `pattern="^off$"`, "sets"},
		{"mounts changed", "http://127.0.0.1:8001", "http://127.0.0.1:8000", "want {target:{env:/srv/-->"},
		{"no listener", "http://127.0.0.1:8001", "http://127.0.0.1:8002", "nothing listens"},
		{"what begins alike", "(?:/|$)", "", "-->x/wiki"},
		{"letters of any case", ` ignoreCase="false"`, "", "A <B>"},
		{"special characters", "&lt;b&gt;", "&lt;b", "want {target:{env:/srv/-->"},
		{"instruction", "<configuration>", "<?xml-stylesheet href=\"x\"?><configuration>", "no declaration"},
		{"errors left out", `<httpErrors existingResponse="PassThrough" />`, "", "its own page"},
	})
}
