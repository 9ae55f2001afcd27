package deploy_test

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"projhost/deploy"
)

// apacheNode is a directive of Apache's configuration, or a section.
type apacheNode struct {
	name string
	args []string
	line int
	kids []*apacheNode
}

// apacheKind is where a directive may stand ("" is outside of sections) and how
// many arguments it takes, at most 9 standing for any number.
type apacheKind struct {
	in       string
	min, max int
}

// apacheKinds are the directives that are written for mod_fastcgi, as the modules
// declare them.
func apacheKinds() map[string]apacheKind {
	const place = "<Location <LocationMatch <Directory"
	return map[string]apacheKind{
		"Define": {"", 1, 2}, "Listen": {"", 1, 2}, "Include": {"", 1, 1}, "<VirtualHost": {"", 1, 9},
		"FastCgiServer": {"", 1, 99}, "FastCgiExternalServer": {"", 1, 99},
		"ServerName": {"<VirtualHost", 1, 1}, "AllowEncodedSlashes": {"<VirtualHost", 1, 1},
		"SSLEngine": {"<VirtualHost", 1, 1}, "SSLCertificateFile": {"<VirtualHost", 1, 1}, "SSLCertificateKeyFile": {"<VirtualHost", 1, 1},
		"AliasMatch": {"<VirtualHost", 2, 2}, "ScriptAlias": {"<VirtualHost", 2, 2},
		"<Directory": {"<VirtualHost", 1, 1}, "<Location": {"<VirtualHost", 1, 1}, "<LocationMatch": {"<VirtualHost", 1, 1},
		"Options": {"<Directory", 1, 9}, "AllowOverride": {"<Directory", 1, 9},
		"Require": {place, 1, 9}, "Header": {"<Directory", 3, 4}, "SetHandler": {place, 1, 1},
		"SetEnv": {place, 1, 2}, "UnsetEnv": {place, 1, 9},
		"XSendFile": {"<Location", 1, 1}, "XSendFilePath": {"<Location", 1, 1},
		"AuthName": {place, 1, 1}, "AuthType": {place, 1, 1}, "AuthBasicProvider": {place, 1, 9},
		"AuthDigestProvider": {place, 1, 9}, "AuthUserFile": {place, 1, 1},
	}
}

// apacheWords splits as ap_getword_conf does: in a quotation a backslash stands
// before a quote or a backslash, and is itself before anything else. A
// quotation has to end at the end of a word, which Apache itself does not ask.
func apacheWords(s string) ([]string, error) {
	var words []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " \t") {
		quote := byte(0)
		if s[0] == '"' || s[0] == '\'' {
			quote, s = s[0], s[1:]
		}
		var word strings.Builder
		i := 0
		for ; i < len(s) && (quote != 0 && s[i] != quote || quote == 0 && s[i] != ' ' && s[i] != '\t'); i++ {
			if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || quote != 0 && s[i+1] == quote) {
				i++
			}
			word.WriteByte(s[i])
		}
		if quote != 0 {
			if i == len(s) {
				return nil, fmt.Errorf("a quotation does not end: %s", s)
			}
			i++
			if i < len(s) && s[i] != ' ' && s[i] != '\t' {
				return nil, fmt.Errorf("a quotation ends within a word: %s", s)
			}
		}
		words = append(words, word.String())
		s = s[i:]
	}
	return words, nil
}

// parseApache reads directives and sections. "${name}" is replaced before the
// words are split, by what a Define above has said.
func parseApache(text string) (*apacheNode, error) {
	stack := []*apacheNode{{}}
	defined := map[string]string{}
	variable := regexp.MustCompile(`\$\{([^}]*)\}`)
	for i, line := range strings.Split(text, "\n") {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("line %d: %w: %s", i+1, fmt.Errorf(format, args...), line)
		}
		if strings.HasSuffix(line, `\`) {
			return nil, fail("it goes on in the next, a comment, too")
		}
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' {
			continue
		}
		top := stack[len(stack)-1]
		if end, ok := strings.CutPrefix(text, "</"); ok {
			if len(stack) == 1 || !strings.EqualFold("<"+end, top.name+">") {
				return nil, fail("it ends %q", top.name)
			}
			stack = stack[:len(stack)-1]
			continue
		}
		undefined := ""
		text = variable.ReplaceAllStringFunc(text, func(v string) string {
			value, ok := defined[v[2:len(v)-1]]
			if !ok {
				undefined = v
			}
			return value
		})
		if undefined != "" {
			return nil, fail("%s is not defined yet", undefined)
		}
		name, rest, _ := strings.Cut(text, " ")
		section := name[0] == '<'
		if section {
			var ok bool
			if rest, ok = strings.CutSuffix(rest, ">"); !ok {
				return nil, fail("no > at the end")
			}
		}
		words, err := apacheWords(rest)
		if err != nil {
			return nil, fail("%w", err)
		}
		kind, ok := apacheKinds()[name]
		switch {
		case !ok:
			return nil, fail("unknown directive")
		case !slices.Contains(strings.Split(kind.in, " "), top.name):
			return nil, fail("it may not stand in %q", top.name)
		case len(words) < kind.min || len(words) > kind.max:
			return nil, fail("%d arguments, want %d to %d", len(words), kind.min, kind.max)
		}
		if name == "Define" {
			defined[words[0]] = strings.Join(words[1:], "")
		}
		n := &apacheNode{name: name, args: words, line: i + 1}
		top.kids = append(top.kids, n)
		if section {
			stack = append(stack, n)
		}
	}
	if len(stack) > 1 {
		return nil, fmt.Errorf("line %d: %s does not end", stack[len(stack)-1].line, stack[len(stack)-1].name)
	}
	return stack[0], nil
}

// each calls what is given with all directives of a name below n.
func (n *apacheNode) each(name string, do func(*apacheNode)) {
	for _, k := range n.kids {
		if k.name == name {
			do(k)
		}
		k.each(name, do)
	}
}

// args returns the arguments of the last directive of a name in n, nil if there is none.
func (n *apacheNode) last(name string) []string {
	var args []string
	n.each(name, func(k *apacheNode) { args = k.args })
	return args
}

// fastCGIServer is what FastCgiServer or FastCgiExternalServer says.
type fastCGIServer struct {
	file    string
	options map[string]string
	env     map[string]string
	headers []string
}

// fastCGIOptions are the options of both directives and of each, with the kinds
// of their values; "" takes none.
func fastCGIOptions(directive string) map[string]string {
	all := map[string]string{
		"-appConnTimeout": "(number)", "-idle-timeout": "(positive)", "-flush": "", "-nph": "", "-pass-header": "(header)",
		"-socket": "(path)", "-user": "(text)", "-group": "(text)",
	}
	if directive == "FastCgiServer" {
		maps.Copy(all, map[string]string{
			"-initial-env": "(variable)", "-init-start-delay": "(number)", "-listen-queue-depth": "(positive)", "-min-server-life": "(number)",
			"-port": "(positive)", "-priority": "(number)", "-processes": "(positive)", "-restart-delay": "(number)",
		})
	} else {
		all["-host"] = "(host)"
	}
	return all
}

// parseFastCGI reads the arguments of one of the directives.
func parseFastCGI(n *apacheNode) (fastCGIServer, error) {
	s := fastCGIServer{file: n.args[0], options: map[string]string{}, env: map[string]string{}}
	if !path.IsAbs(s.file) || path.Clean(s.file) != s.file {
		return s, fmt.Errorf("file %q", s.file)
	}
	for i := 1; i < len(n.args); i++ {
		name := n.args[i]
		kind, ok := fastCGIOptions(n.name)[name]
		if !ok {
			return s, fmt.Errorf("%s has no option %q", n.name, name)
		}
		value := ""
		if kind != "" {
			if i++; i == len(n.args) || n.args[i] == "" {
				return s, fmt.Errorf("%s has no value", name)
			}
			value = n.args[i]
		}
		switch kind {
		case "(variable)": // without "=" Apache's own value would be taken
			key, v, ok := strings.Cut(value, "=")
			if _, twice := s.env[key]; !ok || twice || !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(key) {
				return s, fmt.Errorf("-initial-env %q", value)
			}
			s.env[key] = v
			continue
		case "(header)":
			if !regexp.MustCompile(`^[A-Za-z-]+$`).MatchString(value) {
				return s, fmt.Errorf("-pass-header %q", value)
			}
			s.headers = append(s.headers, value)
			continue
		case "(positive)", "(number)":
			if number, err := strconv.ParseUint(value, 10, 31); err != nil || number == 0 && kind == "(positive)" {
				return s, fmt.Errorf("%s %q is no number of that kind", name, value)
			}
		case "(host)": // split at the first colon, so there is no IPv6
			if !regexp.MustCompile(`^[a-z0-9.-]+:[1-9][0-9]{0,4}$`).MatchString(value) {
				return s, fmt.Errorf("-host %q", value)
			}
		case "(path)":
			if !path.IsAbs(value) {
				return s, fmt.Errorf("%s %q is below FastCgiIpcDir", name, value)
			}
		}
		if _, twice := s.options[name]; twice {
			return s, fmt.Errorf("%s a second time", name)
		}
		s.options[name] = value
	}
	return s, nil
}

// fastCGISite is the plan and what has been read.
type fastCGISite struct {
	deploy.Planned
	host    *apacheNode // the virtual host
	servers map[string]fastCGIServer
	targets map[string]target // of the scripts that are started, by file
}

// readModFastCGI is the reader of Apache with mod_fastcgi.
func readModFastCGI(p deploy.Planned, text string) error {
	root, err := parseApache(text)
	if err != nil {
		return err
	}
	s := fastCGISite{p, root.kids[len(root.kids)-1], map[string]fastCGIServer{}, map[string]target{}}
	var f findings
	f.take(includedBy(text, p.Options.Dir+"/"+p.Config))
	if s.host.name != "<VirtualHost" {
		f.say("there is no virtual host")
	}
	for _, n := range root.kids {
		if n.name != "FastCgiServer" && n.name != "FastCgiExternalServer" {
			continue
		}
		server, err := parseFastCGI(n)
		if _, twice := s.servers[server.file]; err == nil && twice {
			err = fmt.Errorf("%s a second time", server.file)
		}
		if err == nil && slices.Contains(server.headers, "Authorization") == (p.Options.Auth.Kind != deploy.AuthNone) {
			err = fmt.Errorf("projhost is to see Authorization if Apache asks for no password, and only then")
		}
		if err == nil && n.name == "FastCgiServer" {
			err = s.started(server)
		} else if err == nil {
			err = s.external(server)
		}
		if err != nil {
			f.say("line %d: %s: %w", n.line, n.name, err)
		}
		s.servers[server.file] = server
	}
	f.take(s.directories())
	s.host.each("XSendFilePath", func(n *apacheNode) {
		if !slices.ContainsFunc(p.Options.Mounts, func(m deploy.Mount) bool { return strings.HasPrefix(n.args[0]+"/", m.Env+m.Parent+"/") }) {
			f.say("line %d: files of %q may be sent", n.line, n.args[0])
		}
	})
	if len(f.list) == 0 {
		f.take(ask(p.Options, s.route))
	}
	return f.err()
}

// includedBy reads the lines that the comment tells to copy.
func includedBy(text, file string) error {
	var lines string
	for _, l := range strings.Split(text, "\n") {
		if l, ok := strings.CutPrefix(l, "#   "); ok && !strings.HasPrefix(l, "LoadModule ") {
			lines += l + "\n"
		}
	}
	root, err := parseApache(lines)
	if err != nil {
		return fmt.Errorf("to be copied: %w", err)
	}
	if args := root.last("Include"); len(args) == 0 || apachePlain(args[0]) != file {
		return fmt.Errorf("to be copied: %q, the file is %q", args, file)
	}
	return nil
}

// apachePlain is the one name that a pattern of fnmatch(3) is for, "" if it is for
// several. A backslash is an escape there only if there are wildcards.
func apachePlain(pattern string) string {
	if !strings.ContainsAny(pattern, "*?[") {
		return pattern
	}
	rest := regexp.MustCompile(`\[[*?[]\]|\\.`).ReplaceAllString(pattern, "")
	if strings.ContainsAny(rest, `*?[\`) {
		return ""
	}
	return regexp.MustCompile(`\[([*?[])\]|\\(.)`).ReplaceAllString(pattern, "$1$2")
}

// started checks a server that mod_fastcgi starts: its file is one of the plan's
// scripts, which names the same environment as the variables.
func (s fastCGISite) started(server fastCGIServer) error {
	name, _ := strings.CutPrefix(server.file, s.Options.Dir+"/")
	f, ok := fileOf(s.Planned, name)
	if !ok || f.Mode&0o111 == 0 {
		return fmt.Errorf("no program %q is written", name)
	}
	_, command, _ := strings.Cut(f.Text, "\nexec ")
	words, err := shellWords(strings.TrimSuffix(command, "\n"))
	if err != nil {
		return err
	}
	if len(words) < 2 || words[0] != s.Options.Program || words[1] != "serve" {
		return fmt.Errorf("%s starts %q", name, words)
	}
	flags, err := optionsOf(words[2:])
	if err != nil {
		return err
	}
	l, err := listenerOf(strings.Join(flags["listen"], " "))
	if err != nil {
		return err
	}
	l.env, l.parent = strings.Join(flags["env"], " "), strings.Join(flags["env-parent-dir"], " ")
	said, err := targetOfVariables(server.env)
	if err != nil {
		return err
	}
	said.root = l.root // only the script says it
	if said != l.target {
		return fmt.Errorf("-initial-env says %+v, %s %+v", said, name, l.target)
	}
	s.targets[server.file] = l.target
	return nil
}

// external checks a server that runs already.
func (s fastCGISite) external(server fastCGIServer) error {
	host, isHost := server.options["-host"]
	socket, isSocket := server.options["-socket"]
	if isHost == isSocket {
		return fmt.Errorf("want one of -host and -socket")
	}
	l, err := listenerAt(s.Planned, host+socket)
	if err == nil && l.scheme != "fcgi" {
		err = fmt.Errorf("projhost speaks %s there", l.scheme)
	}
	return err
}

// directories checks that Apache may serve and start what is there.
func (s fastCGISite) directories() error {
	want := map[string]string{s.Options.Dir + "/htdocs/common": "None", s.Options.Dir + "/cgi-bin": "ExecCGI"}
	got := map[string]string{}
	s.host.each("<Directory", func(n *apacheNode) {
		if slices.Equal(n.last("Require"), []string{"all", "granted"}) {
			got[apachePlain(n.args[0])] = strings.Join(n.last("Options"), " ")
		}
	})
	if !maps.Equal(got, want) {
		return fmt.Errorf("directories %q, want %q", got, want)
	}
	return nil
}

// file is which file an alias makes of a request's path, the first that matches.
func (s fastCGISite) file(request string) string {
	for _, n := range s.host.kids {
		switch n.name {
		case "AliasMatch":
			m := regexp.MustCompile(n.args[0]).FindStringSubmatch(request)
			if m == nil {
				continue
			}
			// ap_pregsub: $1 is a group, a backslash keeps what is after it.
			return regexp.MustCompile(`\\(.)|\$([0-9])|&`).ReplaceAllStringFunc(n.args[1], func(x string) string {
				if x[0] == '\\' {
					return x[1:]
				}
				if i := int(x[len(x)-1] - '0'); x[0] == '$' && i < len(m) {
					return m[i]
				}
				return m[0]
			})
		case "ScriptAlias":
			if rest, ok := strings.CutPrefix(request, n.args[0]); ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(n.args[0], "/")) {
				return n.args[1] + rest
			}
		}
	}
	return ""
}

// route is what Apache does with a request: sections are merged in their order.
func (s fastCGISite) route(request string) (answer, error) {
	handler, env, auth := "", map[string]string{}, false
	for _, n := range s.host.kids {
		switch n.name {
		case "<Location":
			prefix := strings.TrimSuffix(apachePlain(n.args[0]), "/")
			if rest, ok := strings.CutPrefix(request, prefix); !ok || rest != "" && rest[0] != '/' {
				continue
			}
		case "<LocationMatch":
			if !regexp.MustCompile(n.args[0]).MatchString(request) {
				continue
			}
		default:
			continue
		}
		if h := n.last("SetHandler"); h != nil {
			handler = h[0]
		}
		// Whatever their order, what a section unsets are variables of outer ones.
		n.each("UnsetEnv", func(k *apacheNode) {
			for _, name := range k.args {
				delete(env, name)
			}
		})
		n.each("SetEnv", func(k *apacheNode) { env[k.args[0]] = strings.Join(k.args[1:], "") })
		if n.last("AuthType") != nil {
			auth = true
			if err := s.asks(n); err != nil {
				return answer{}, err
			}
		}
	}
	file := s.file(request)
	if handler == "None" {
		return answer{file: file}, nil
	}
	if handler == "" && file == "" {
		return answer{}, nil
	}
	for name := range s.servers {
		rest, ok := strings.CutPrefix(file, name)
		if !ok || rest != "" && rest[0] != '/' || handler != "fastcgi-script" {
			continue
		}
		if to, ok := s.targets[name]; ok {
			if len(env) > 0 {
				return answer{}, fmt.Errorf("variables %q besides the script's own", env)
			}
			return answer{target: to, auth: auth}, nil
		}
		to, err := targetOfVariables(env)
		return answer{target: to, auth: auth}, err
	}
	return answer{}, fmt.Errorf("handler %q gets %q, which is no server's", handler, file)
}

// asks checks a section that asks for a password.
func (s fastCGISite) asks(n *apacheNode) error {
	kind := map[deploy.AuthKind]string{deploy.AuthBasic: "Basic", deploy.AuthDigest: "Digest"}[s.Options.Auth.Kind]
	for name, want := range map[string]string{
		"AuthType": kind, "Auth" + kind + "Provider": "file", "AuthUserFile": s.Options.Auth.File, "Require": "valid-user",
	} {
		if got := strings.Join(n.last(name), " "); got != want {
			return fmt.Errorf("line %d: %s %q, want %q", n.line, name, got, want)
		}
	}
	// AuthName is an expression, whose value is put between quotes.
	realm := regexp.MustCompile(`\\(.)`)
	if got := realm.ReplaceAllString(realm.ReplaceAllString(n.last("AuthName")[0], "$1"), "$1"); got != s.Options.Auth.Realm {
		return fmt.Errorf("line %d: the realm is %q, want %q", n.line, got, s.Options.Auth.Realm)
	}
	return nil
}

func TestModFastCGIRefuses(t *testing.T) {
	o := goldenOptions(t, "mod_fastcgi-fastcgi-full.txtar")
	o.Mounts = append(o.Mounts, deploy.Mount{Path: "/", Parent: "/srv/${all}"})
	refuses(t, o, readModFastCGI, []broken{
		{"section open", "    </Location>\n", "", "may not stand in"},
		{"section closed", "</VirtualHost>", "</Location>", "it ends"},
		{"end of a tag", "<Location \"/one\">", "<Location \"/one\"", "no > at the end"},
		{"directive", "SetHandler fastcgi-script", "SetHandle fastcgi-script", "unknown directive"},
		{"place", "    AllowEncodedSlashes Off\n", "    FastCgiIpcDir /tmp\n", "unknown directive"},
		{"arguments", "ServerName \"example.org\"", "ServerName \"example.org\" \"www\"", "2 arguments"},
		{"quotation", "\"TRAC_ENV=/srv/one\"", "\"TRAC_ENV=/srv/one", "a quotation"},
		{"quotation and more", "\"TRAC_ENV=/srv/one\"", "\"TRAC_ENV=/srv/one\"x", "ends within a word"},
		{"backslash", "AllowEncodedSlashes Off", "AllowEncodedSlashes Off\\", "goes on"},
		{"comment goes on", "mod_fastcgi, which starts it.", "mod_fastcgi\\\n#", "goes on"},
		{"variable", "\"TRAC_ENV=/srv/one\"", "\"TRAC_ENV=/srv/${one}\"", "not defined"},
		{"definition too late", "Define projhost_dollar \"$\"\n", "", "not defined"},
		{"option", "-processes 1", "-process 1", "no option"},
		{"option of the other", "-processes 1", "-host a:1", "no option"},
		{"no value", " -initial-env \"LC_TIME=ru_RU\"\n", " -initial-env\n", "no value"},
		{"number", "-idle-timeout 120", "-idle-timeout 2m", "no number"},
		{"no process", "-processes 1", "-processes 0", "no number"},
		{"option twice", "-processes 1", "-processes 1 -processes 2", "a second time"},
		{"Apache's own variable", "\"TRAC_ENV=/srv/one\"", "TRAC_ENV", "-initial-env"},
		{"variable twice", "\"LC_TIME=ru_RU\"", "\"LC_TIME=ru_RU\" -initial-env \"LC_TIME=\"", "-initial-env"},
		{"header", "-processes 1", "-processes 1 -pass-header Authorization", "Authorization"},
		{"relative socket", "-processes 1", "-processes 1 -socket x", "FastCgiIpcDir"},
		{"other environment", "TRAC_ENV=/srv/one", "TRAC_ENV=/srv/two", "-initial-env says"},
		{"unknown to projhost", "TRAC_ENV=/srv/one", "TRAC_ENVS=/srv/one", "does not know"},
		{"no script", "FastCgiServer \"/srv/deploy/cgi-bin/trac.fcgi\"", "FastCgiServer \"/srv/deploy/cgi-bin/other.fcgi\"", "no program"},
		{"no program", "FastCgiServer \"/srv/deploy/cgi-bin/trac.fcgi\"", "FastCgiServer \"/srv/deploy/cgi-bin/trac.wsgi\"", "no program"},
		{"server twice", "trac-one.fcgi\" -processes", "trac.fcgi\" -processes", "a second time"},
		{"alias to nothing", "ScriptAlias \"/one\" \"/srv/deploy/cgi-bin/trac-one.fcgi\"", "ScriptAlias \"/one\" \"/srv/deploy/cgi-bin/x.fcgi\"", "no server's"},
		{"alias to another", "ScriptAlias \"/one\" \"/srv/deploy/cgi-bin/trac-one.fcgi\"", "ScriptAlias \"/one\" \"/srv/deploy/cgi-bin/trac.fcgi\"", "request \"/one\""},
		{"root without slash", "trac.fcgi/\"", "trac.fcgi\"", "no server's"},
		{"handler", "SetHandler fastcgi-script", "SetHandler cgi-script", "no server's"},
		{"not to be started", "Options ExecCGI", "Options None", "directories"},
		{"not granted", "Require all granted", "Require all denied", "directories"},
		{"wildcard", "<Directory \"/srv/deploy/cgi-bin\">", "<Directory \"/srv/deploy/cgi-*\">", "directories"},
		{"static files", "/srv/deploy/htdocs/common/$1", "/srv/deploy/htdocs/$1", "the server sends"},
		{"no password", "<LocationMatch \"^/[^/]+/login", "<LocationMatch \"^/[^/]+/signin", "auth:true"},
		{"anybody", "Require valid-user", "Require all granted", "valid-user"},
		{"users", "AuthUserFile \"/srv/deploy", "AuthUserFile \"/srv", "AuthUserFile"},
		{"realm", "AuthName \"projhost\"", "AuthName \"other\"", "the realm is"},
		{"sent files", "XSendFilePath \"/srv/one/files\"", "XSendFilePath \"/srv/on/files\"", "may be sent"},
		{"quotation at the end", "\"LC_TIME=ru_RU\"\n", "\"LC_TIME=ru_RU\n", "does not end"},
		{"site open", "</VirtualHost>\n", "", "<VirtualHost does not end"},
		{"header of two words", "-processes 1", "-processes 1 -pass-header \"A B\"", "-pass-header"},
		{"more than the site", "</VirtualHost>", "</VirtualHost>\nListen 81", "no virtual host"},
		{"nothing to include", "#   Include \"", "#   Includes \"", "to be copied"},
		{"variable besides", "SetHandler fastcgi-script\n", "SetHandler fastcgi-script\n        SetEnv TRAC_ENV /x\n", "besides the script's own"},
		{"include", "Include \"/srv/deploy", "Include \"/srv", "to be copied"},
	})
	o.Way = "fastcgi_external"
	refuses(t, o, readModFastCGI, []broken{
		{"no option of it", "-idle-timeout", "-processes", "no option"},
		{"nowhere", "-socket \"/run/projhost/fcgi.sock\"", "", "one of -host and -socket"},
		{"at both", "-socket", "-host localhost:9000 -socket", "one of -host and -socket"},
		{"at IPv6", "-socket \"/run/projhost/fcgi.sock\"", "-host [::1]:9000", "-host"},
		{"other socket", "fcgi.sock", "fcgi-1.sock", "nothing listens"},
		{"relative file", "FastCgiExternalServer \"/", "FastCgiExternalServer \"", "file"},
		{"environment", "SetEnv TRAC_ENV \"/srv/one\"", "SetEnv TRAC_ENV \"/srv/two\"", "want {target:{env:/srv/one"},
		{"both kinds", "UnsetEnv TRAC_ENV TRAC_ENV_PARENT_DIR\n        SetEnv TRAC_ENV ", "SetEnv TRAC_ENV ", "want {target:{env:/srv/one"},
		{"two values", "SetEnv TRAC_URI_ROOT \"/one\"", "SetEnv TRAC_URI_ROOT /one more", "3 arguments"},
	})
}
