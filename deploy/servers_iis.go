package deploy

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
)

func iisServers() []Server {
	return []Server{{Name: "iis", Title: "IIS 10 with URL Rewrite and Application Request Routing", Ways: []Way{
		{Name: "http", Title: "HTTP", Protocol: "http", Silent: true, TCP: true, Untested: true, Template: "iis.tmpl", Config: "iis/web.config",
			Check:  checkIIS,
			NoSend: "Application Request Routing passes every answer on as it is",
			NoAuth: "URL Rewrite passes a request on before IIS has asked who it is from: let projhost ask, with \"projhost tracd --basic-auth\""},
	}}}
}

// checkIIS refuses what a web.config cannot say.
func checkIIS(o Options) error {
	if strings.HasPrefix(o.Listen, "/") {
		return fmt.Errorf("IIS connects by TCP: give --listen an address like 127.0.0.1:8000")
	}
	for _, m := range o.Mounts {
		if strings.ContainsAny(m.Path+m.Env+m.Parent, "\ufffe\uffff") {
			return fmt.Errorf("mount %q: XML cannot say the characters U+FFFE and U+FFFF", m.Path)
		}
	}
	return nil
}

// quoteXML writes an attribute's value, with its quotes.
func quoteXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes all
	return `"` + b.String() + `"`
}

// commentXML makes a text fit for a comment, which may not hold "--".
func commentXML(s string) string {
	s = strings.ReplaceAll(s, "--", "- -")
	return strings.ReplaceAll(s, "--", "- -") // three in a row have left two
}

// IISRegex is a regular expression for the paths of the mount as URL Rewrite sees
// them: decoded, and without the first slash.
func (m mount) IISRegex() string {
	if m.Base == "" {
		return "^"
	}
	return "^" + regexp.QuoteMeta(strings.TrimPrefix(m.Base, "/")) + "(?:/|$)"
}

// IISSchemes are what the variable HTTPS can be; there is a rule for each.
func (v *view) IISSchemes() []string { return []string{"on", "off"} }
