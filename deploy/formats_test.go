package deploy_test

import (
	"encoding/xml"
	"regexp"
	"slices"
	"strings"
	"testing"

	"projhost/deploy"
)

// rewriting is what of a web.config projhost's part is.
type rewriting struct {
	XMLName xml.Name `xml:"configuration"`
	Rules   []struct {
		Name  string `xml:"name,attr"`
		Match struct {
			URL string `xml:"url,attr"`
		} `xml:"match"`
		Set []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"serverVariables>set"`
		Action struct {
			Type string `xml:"type,attr"`
			URL  string `xml:"url,attr"`
		} `xml:"action"`
	} `xml:"system.webServer>rewrite>rules>rule"`
}

// TestIIS reads a web.config, since there is no IIS here to do so.
func TestIIS(t *testing.T) {
	p, err := deploy.Plan(deploy.Options{
		Dir: "/srv/" + strange, Program: "/bin/projhost", Server: "iis",
		Mounts: []deploy.Mount{{Path: "/a <b> & \"c\" -->", Env: "/srv/-->" + strange}, {Path: "/", Parent: "/srv/trac"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Files, func(f deploy.File) bool { return f.Path == p.Config })
	var c rewriting
	d := xml.NewDecoder(strings.NewReader(p.Files[i].Text))
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if len(c.Rules) != 4 {
		t.Fatalf("%d rules, want one for each mount with and without TLS: %+v", len(c.Rules), c.Rules)
	}
	var names []string
	for k, r := range c.Rules {
		names = append(names, r.Name)
		path, port := "a <b> & \"c\" -->/wiki", "8001"
		if k >= 2 {
			path, port = "one/wiki", "8000"
		}
		if !regexp.MustCompile(r.Match.URL).MatchString(path) {
			t.Errorf("rule %s: %q does not match %q", r.Name, r.Match.URL, path)
		}
		if k < 2 && regexp.MustCompile(r.Match.URL).MatchString("a <b> & \"c\" -->x") {
			t.Errorf("rule %s: %q matches what only begins like it", r.Name, r.Match.URL)
		}
		if r.Action.Type != "Rewrite" || r.Action.URL != "http://127.0.0.1:"+port+"{UNENCODED_URL}" {
			t.Errorf("rule %s: %+v", r.Name, r.Action)
		}
		user := slices.IndexFunc(r.Set, func(s struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		}) bool {
			return s.Name == "HTTP_X_REMOTE_USER"
		})
		if user < 0 || r.Set[user].Value != "" {
			t.Errorf("rule %s lets a visitor name the user: %+v", r.Name, r.Set)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != 4 {
		t.Errorf("names of rules are not unique: %q", names)
	}
}
