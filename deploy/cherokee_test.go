package deploy_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"projhost/deploy"
)

// cherokeeNode is a key of cherokee.conf: "a!b = x" is the value x of b below a.
type cherokeeNode struct {
	value string
	kids  map[string]*cherokeeNode
}

// at is the node below n of the path, an empty one if there is none.
func (n *cherokeeNode) at(path string) *cherokeeNode {
	for _, s := range strings.Split(path, "!") {
		kid, ok := n.kids[s]
		if !ok {
			return &cherokeeNode{}
		}
		n = kid
	}
	return n
}

// numbers are the keys below n, the greatest first.
func (n *cherokeeNode) numbers() []int {
	var list []int
	for k := range n.kids {
		i, _ := strconv.Atoi(k) // cherokeeKeys has seen to it
		list = append(list, i)
	}
	slices.Sort(list)
	slices.Reverse(list)
	return list
}

func (n *cherokeeNode) values() map[string]string {
	all := map[string]string{}
	for k, kid := range n.kids {
		all[k] = kid.value
	}
	return all
}

// cherokeeKeys are the keys that Cherokee knows of what is written, and their
// values: "#" is a number, NAME a variable's name.
func cherokeeKeys() [][2]string {
	return [][2]string{
		{"source!#!type", "host interpreter"},
		{"source!#!nick", "(text)"},
		{"source!#!host", "(address)"},
		{"source!#!interpreter", "(text)"},
		{"source!#!timeout", "(number)"},
		{"source!#!user", "(text)"},
		{"source!#!group", "(text)"},
		{"source!#!env_inherited", "0 1"},
		{"source!#!env!NAME", "(text)"},
		{"vserver!#!nick", "(text)"},
		{"vserver!#!document_root", "(path)"},
		{"vserver!#!match", "wildcard rehost target_ip"},
		{"vserver!#!match!nick", "0 1"},
		{"vserver!#!match!domain!#", "(text)"},
		{"vserver!#!match!regex!#", "(regex)"},
		{"vserver!#!rule!#!match", "default directory extensions request header exists fullpath method bind from geoip tls and or not"},
		{"vserver!#!rule!#!match!final", "0 1"},
		{"vserver!#!rule!#!match!directory", "(path)"},
		{"vserver!#!rule!#!match!request", "(regex)"},
		{"vserver!#!rule!#!document_root", "(path)"},
		{"vserver!#!rule!#!handler", "cgi common dirlist empty_gif fcgi file proxy redir scgi uwsgi"},
		{"vserver!#!rule!#!handler!balancer", "round_robin ip_hash failover"},
		{"vserver!#!rule!#!handler!balancer!source!#", "(number)"},
		{"vserver!#!rule!#!handler!check_file", "0 1"},
		{"vserver!#!rule!#!handler!error_handler", "0 1"},
		{"vserver!#!rule!#!handler!pass_req_headers", "0 1"},
		{"vserver!#!rule!#!handler!xsendfile", "0 1"},
		{"vserver!#!rule!#!handler!env!NAME", "(text)"},
		{"vserver!#!rule!#!auth", "authlist htdigest htpasswd ldap mysql pam plain"},
		{"vserver!#!rule!#!auth!methods", "basic digest basic,digest"},
		{"vserver!#!rule!#!auth!realm", "(quoted)"},
		{"vserver!#!rule!#!auth!passwdfile", "(path)"},
	}
}

// checkKind checks a value: a list of words is of what it may be.
func checkKind(kind, value string) error {
	ok := true
	switch kind {
	case "(text)":
	case "(number)":
		_, err := strconv.ParseUint(value, 10, 31)
		ok = err == nil
	case "(path)":
		ok = strings.HasPrefix(value, "/")
	case "(address)":
		ok = strings.HasPrefix(value, "/") || regexp.MustCompile(`^([a-z0-9.-]+|\[[0-9a-f:]+\]):[1-9][0-9]{0,4}$`).MatchString(value)
	case "(regex)":
		_, err := regexp.Compile(value)
		ok = err == nil
	case "(quoted)": // what stands between the quotes of a header
		ok = regexp.MustCompile(`^([^"\\]|\\.)*$`).MatchString(value)
	default:
		ok = slices.Contains(strings.Fields(kind), value)
	}
	if !ok {
		return fmt.Errorf("%q is none of %s", value, kind)
	}
	return nil
}

// parseCherokee reads lines of "key = value". Cherokee's reader takes the first
// " = ", leaves blanks before the value out, lets a later line win over an
// earlier one of the same key, and never sees a last line that does not end.
func parseCherokee(text string) (*cherokeeNode, error) {
	root := &cherokeeNode{kids: map[string]*cherokeeNode{}}
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line does not end")
	}
	known := map[*regexp.Regexp]string{}
	for _, k := range cherokeeKeys() {
		expr := strings.NewReplacer("#", `[1-9][0-9]*`, "NAME", `[A-Za-z_][A-Za-z0-9_]*`).Replace(k[0])
		known[regexp.MustCompile("^"+expr+"$")] = k[1]
	}
	seen := map[string]bool{}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, " = ")
		kind, node := "", root
		for expr, k := range known {
			if expr.MatchString(key) {
				kind = k
			}
		}
		switch {
		case !ok:
			return nil, fmt.Errorf("line %d: no \" = \": %s", i+1, line)
		case kind == "":
			return nil, fmt.Errorf("line %d: unknown key %q", i+1, key)
		case seen[key]:
			return nil, fmt.Errorf("line %d: %s a second time", i+1, key)
		case value == "" || strings.TrimSpace(value) != value:
			return nil, fmt.Errorf("line %d: %s: blanks around the value %q would be lost", i+1, key, value)
		}
		if err := checkKind(kind, value); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", i+1, key, err)
		}
		seen[key] = true
		for _, s := range strings.Split(key, "!") {
			if node.kids[s] == nil {
				node.kids[s] = &cherokeeNode{kids: map[string]*cherokeeNode{}}
			}
			node = node.kids[s]
		}
		node.value = value
	}
	return root, nil
}

// readCherokee is Cherokee's reader.
func readCherokee(p deploy.Planned, text string) error {
	root, err := parseCherokee(text)
	if err != nil {
		return err
	}
	var f findings
	protocols := map[string]string{} // of each source, by number
	for _, n := range root.at("source").numbers() {
		number := strconv.Itoa(n)
		protocol, err := cherokeeSource(p, root.at("source!"+number))
		if err != nil {
			f.say("source %d: %w", n, err)
		}
		protocols[number] = protocol
	}
	servers := root.at("vserver").numbers()
	if len(servers) != 1 {
		f.say("%d virtual servers, want one", len(servers))
		return f.err()
	}
	v := root.at(fmt.Sprintf("vserver!%d", servers[0]))
	if v.at("nick").value == "" || v.at("document_root").value == "" {
		f.say("the virtual server needs nick and document_root")
	}
	domain := p.Options.Domain
	if domain == "" {
		domain = "*"
	}
	// Without a match only the virtual server of the least number gets requests.
	if v.at("match").value != "wildcard" || v.at("match!domain!1").value != domain || len(v.at("match!domain").kids) != 1 {
		f.say("the virtual server is not for the host %q", domain)
	}
	rules := v.at("rule")
	for i, n := range rules.numbers() {
		r := rules.at(strconv.Itoa(n))
		if err := cherokeeRule(r, protocols); err != nil {
			f.say("rule %d: %w", n, err)
		}
		if r.at("match").value == "default" && i+1 < len(rules.kids) {
			f.say("rule %d: rules below the default one are never asked", n)
		}
	}
	if len(f.list) == 0 {
		f.take(ask(p.Options, func(path string) (answer, error) { return cherokeeRoute(p, rules, path) }))
	}
	return f.err()
}

// cherokeeSource checks a source and returns the protocol that is spoken there.
func cherokeeSource(p deploy.Planned, s *cherokeeNode) (string, error) {
	if s.at("nick").value == "" || s.at("host").value == "" {
		return "", fmt.Errorf("it needs nick and host")
	}
	if s.at("type").value != "interpreter" {
		return "", fmt.Errorf("type %q: the plan says that Cherokee starts projhost", s.at("type").value)
	}
	command := s.at("interpreter").value
	if first, _, _ := strings.Cut(command, " "); first != p.Options.Program {
		// Cherokee looks for the file before it lets sh start it.
		return "", fmt.Errorf("there is no file %q, the program is %q", first, p.Options.Program)
	}
	words, err := shellWords(command)
	if err != nil {
		return "", err
	}
	want := []string{p.Options.Program, "serve"}
	for _, l := range p.Listen {
		want = append(want, "--listen", l)
	}
	if want = append(want, p.Flags...); !slices.Equal(words, want) {
		return "", fmt.Errorf("interpreter: got %q, want %q", words, want)
	}
	l, err := listenerAt(p, s.at("host").value)
	return l.scheme, err
}

// cherokeeRule checks that a rule has what its kinds of match, handler and
// authentication need.
func cherokeeRule(r *cherokeeNode, protocols map[string]string) error {
	var f findings
	var matches []string
	for _, k := range []string{"directory", "request"} {
		if r.at("match!"+k).value != "" {
			matches = append(matches, k)
		}
	}
	switch match := r.at("match").value; match {
	case "default":
		if len(matches) > 0 {
			f.say("the default rule has a match for %q", matches)
		}
	case "directory", "request":
		if !slices.Equal(matches, []string{match}) {
			f.say("match %s has values for %q", match, matches)
		}
		if d := r.at("match!directory").value; strings.HasSuffix(d, "/") {
			f.say("directory %q ends with a slash", d)
		}
	default:
		f.say("match %q is not what is written for", match)
	}
	handler := r.at("handler")
	switch handler.value {
	case "scgi", "fcgi":
		sources := handler.at("balancer!source")
		if handler.at("balancer").value == "" || len(sources.kids) == 0 {
			f.say("handler %s has no balancer with a source", handler.value)
		}
		for _, s := range sources.values() {
			if protocol, ok := protocols[s]; !ok {
				f.say("there is no source %s", s)
			} else if protocol != handler.value {
				f.say("handler %s for source %s, which speaks %q", handler.value, s, protocol)
			}
		}
		if handler.at("check_file").value != "0" {
			f.say("handler %s asks for files of the visitor's path: check_file is not 0", handler.value)
		}
	case "file":
		if r.at("document_root").value == "" || len(handler.kids) > 0 {
			f.say("handler file: want a document_root and no options")
		}
	default:
		f.say("handler %q", handler.value)
	}
	if auth := r.at("auth"); auth.value != "" || len(auth.kids) > 0 {
		if want := map[string]string{"htpasswd": "basic", "htdigest": "digest"}[auth.value]; want == "" || auth.at("methods").value != want {
			f.say("auth %q cannot do %q", auth.value, auth.at("methods").value)
		}
		if auth.at("realm").value == "" || auth.at("passwdfile").value == "" {
			f.say("auth needs realm and passwdfile")
		}
	}
	return f.err()
}

// cherokeeRoute is what the rules do with a request: that of the greatest number
// that matches counts, and nothing is taken from the others.
func cherokeeRoute(p deploy.Planned, rules *cherokeeNode, path string) (answer, error) {
	for _, n := range rules.numbers() {
		r := rules.at(strconv.Itoa(n))
		rest := path
		switch r.at("match").value {
		case "directory":
			var ok bool
			if rest, ok = strings.CutPrefix(path, r.at("match!directory").value); !ok || rest != "" && rest[0] != '/' {
				continue
			}
		case "request":
			if !regexp.MustCompile(r.at("match!request").value).MatchString(path) {
				continue
			}
		}
		if r.at("handler").value == "file" {
			return answer{file: r.at("document_root").value + rest}, nil
		}
		x := "0"
		if p.Options.XSendfile {
			x = "1"
		}
		if got := r.at("handler!xsendfile").value; got != x {
			return answer{}, fmt.Errorf("rule %d: xsendfile is %q, want %s", n, got, x)
		}
		auth := r.at("auth")
		if auth.value != "" {
			want := map[string]string{
				"methods": string(p.Options.Auth.Kind), "passwdfile": p.Options.Auth.File,
				"realm": strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.Options.Auth.Realm),
			}
			if !maps.Equal(auth.values(), want) {
				return answer{}, fmt.Errorf("rule %d: auth %q, want %q", n, auth.values(), want)
			}
		}
		to, err := targetOfVariables(r.at("handler!env").values())
		return answer{target: to, auth: auth.value != ""}, err
	}
	return answer{}, nil
}

func TestCherokeeRefuses(t *testing.T) {
	o := goldenOptions(t, "cherokee-scgi-full.txtar")
	o.Mounts = append(o.Mounts, deploy.Mount{Path: "/", Parent: "/srv/all"})
	p, text := planOf(t, o)
	if err := readCherokee(p, strings.TrimSuffix(text, "\n")); err == nil || !strings.Contains(err.Error(), "does not end") {
		t.Errorf("a last line without an end: %v", err)
	}
	nested := o
	nested.Mounts = []deploy.Mount{{Path: "/trac", Parent: "/srv/trac"}, {Path: "/trac/one", Env: "/srv/one"}}
	p, text = planOf(t, nested)
	if err := readCherokee(p, strings.ReplaceAll(text, "rule!102", "rule!100")); err == nil || !strings.Contains(err.Error(), `request "/trac/one"`) {
		t.Errorf("the general mount before the special one: %v", err)
	}
	refuses(t, o, readCherokee, []broken{
		{"no equals sign", "nick = example.org", "nick=example.org", `no " = "`},
		{"key", "!check_file", "!checkfile", "unknown key"},
		{"key with a blank", "source!900!nick", "source!900! nick", "unknown key"},
		{"variable's name", "env!LC_TIME", "env!LC-TIME", "unknown key"},
		{"number", "timeout = 15", "timeout = 15s", "is none of (number)"},
		{"switch", "pass_req_headers = 1", "pass_req_headers = yes", "is none of 0 1"},
		{"handler", "handler = scgi", "handler = wsgi", "is none of cgi"},
		{"match", "match = directory", "match = prefix", "is none of default"},
		{"balancer", "round_robin", "roundrobin", "is none of round_robin"},
		{"regular expression", "^/one/login(?:", "^/one/login((", "is none of (regex)"},
		{"address", "host = /run/projhost/scgi.sock", "host = scgi.sock", "is none of (address)"},
		{"lost blanks", "TRAC_ENV = /srv/one", "TRAC_ENV =  /srv/one", "blanks"},
		{"empty value", "TRAC_ENV = /srv/one", "TRAC_ENV = ", "blanks"},
		{"twice", "rule!1022!match = ", "rule!1021!match = ", "a second time"},
		{"no source", "balancer!source!1 = 900", "balancer!source!1 = 901", "no source 901"},
		{"no balancer", "vserver!900!rule!1011!handler!balancer!source!1 = 900\n", "", "no balancer"},
		{"other protocol", "handler = scgi", "handler = fcgi", `speaks "scgi"`},
		{"type of source", "type = interpreter", "type = host", "starts projhost"},
		{"quoted program", "= /usr/local/bin/projhost serve", "= '/usr/local/bin/projhost' serve", "there is no file"},
		{"interpreter", "--max-body 256MB", "--max-body 256GB", "interpreter: got"},
		{"unquoted for sh", "'scgi+unix:/run/projhost/scgi.sock?group=www-data'", "scgi+unix:/run/projhost/scgi.sock?group=www-data", "sh would not take"},
		{"other socket", "host = /run/projhost/scgi.sock", "host = /run/projhost/s.sock", "nothing listens"},
		{"host", "match!domain!1 = example.org", "match!domain!1 = www.example.org", "not for the host"},
		{"default first", "rule!1011!match = default", "rule!9999!match = default", "never asked"},
		{"slash at the end", "match!directory = /one\n", "match!directory = /one/\n", "ends with a slash"},
		{"other directory", "match!directory = /one\n", "match!directory = /on\n", "request \"/one\""},
		{"two kinds of match", "match = request", "match = directory", "has values for"},
		{"environment", "env!TRAC_ENV = /srv/one", "env!TRAC_ENV = /srv/two", "want {target:{env:/srv/one"},
		{"spelling of a variable", "env!TRAC_ENV ", "env!TRAC_ENVIRONMENT ", "does not know"},
		{"no environment", "vserver!900!rule!1021!handler!env!TRAC_ENV = /srv/one\n", "", "want {target:{env:/srv/one"},
		{"prefix", "TRAC_URI_ROOT = /trac", "TRAC_URI_ROOT = /", "want {target:{env: parent:/srv/trac"},
		{"no password", "match!request = ^/one/login", "match!request = ^/one/signin", "auth:true"},
		{"digest from htpasswd", "methods = basic", "methods = digest", "cannot do"},
		{"realm", "realm = projhost", "realm = \"projhost\"", "is none of (quoted)"},
		{"other realm", "realm = projhost", "realm = other", `"other"`},
		{"static files", "document_root = /srv/deploy/htdocs/common", "document_root = /srv/deploy/htdocs", "the server sends"},
		{"send file", "xsendfile = 1", "xsendfile = 0", "xsendfile"},
		{"checked files", "check_file = 0", "check_file = 1", "check_file is not 0"},
		{"two virtual servers", "vserver!900!nick", "vserver!901!nick", "2 virtual servers"},
		{"no document root", "vserver!900!document_root = /srv/deploy/htdocs\n", "", "needs nick and document_root"},
		{"no host of the source", "source!900!host = /run/projhost/scgi.sock\n", "", "needs nick and host"},
		{"default of a directory", "match = default", "match = default\nvserver!900!rule!1011!match!directory = /x", "the default rule has"},
		{"files of nowhere", "vserver!900!rule!1022!document_root = /srv/deploy/htdocs/common\n", "", "want a document_root"},
		{"no list of users", "vserver!900!rule!1013!auth!passwdfile = /srv/deploy/auth/users.htpasswd\n", "", "needs realm and passwdfile"},
		{"quotation of sh", "group=www-data'", "group=www-data", "does not end"},
	})
}
