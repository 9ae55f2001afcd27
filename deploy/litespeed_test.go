package deploy_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"projhost/deploy"
)

// liteBlock is a block of LiteSpeed's configuration: "context /one/ { ... }" is
// named context and is of "/one/".
type liteBlock struct {
	name, of string
	line     int
	keys     map[string]string
	env      map[string]string
	blocks   []*liteBlock
}

// liteKinds are the blocks that may stand in a virtual host's configuration, as far
// as they are written, and what is known in each. A key with "!" is required.
func liteKinds() map[string]map[string]string {
	return map[string]map[string]string{
		"extprocessor": {
			"type!": "fcgi lsapi proxy uwsgi servlet fcgiauth logger loadbalancer", "address!": "(address)", "maxConns!": "(number)",
			"initTimeout!": "(number)", "retryTimeout!": "(number)", "persistConn": "0 1", "pcKeepAliveTimeout": "(number)",
			"respBuffer": "0 1 2", "autoStart": "0 1 2", "path": "(path)", "env": "KEY=VALUE", "backlog": "(number)", "instances": "(number)",
		},
		"context": {
			"type!": "null fcgi lsapi proxy uwsgi servlet cgi redirect loadbalancer", "handler": "(word)", "location": "(path)",
			"allowBrowse": "0 1", "addDefaultCharset": "on off", "realm": "(word)", "authName": "(word)", "required": "valid-user",
		},
		"realm":        {"userDB!": "(block)"},
		"realm userDB": {"location!": "(path)", "maxCacheSize": "(number)", "cacheTimeout": "(number)"},
	}
}

// checkLiteKind checks a value. Words have nothing in them that this format
// could take for its own.
func checkLiteKind(kind, value string) error {
	var ok bool
	switch {
	case strings.ContainsAny(value, "{}\"'`$") && !strings.HasSuffix(value, "|$)"):
		return fmt.Errorf("%q has a brace, a quote or a variable in it", value)
	case kind == "(address)":
		// "uds://" stands for the first slash of an absolute path.
		ok = regexp.MustCompile(`^(uds:/(/[^/ ]+)+|([a-z0-9.-]+|\[[0-9a-f:]+\]):[1-9][0-9]{0,4})$`).MatchString(value)
	case kind == "(word)":
		ok = value != "" && !strings.ContainsAny(value, " \t#")
	case kind == "(path)":
		ok = strings.HasPrefix(value, "/") && !strings.ContainsAny(value, " \t#")
	case kind == "KEY=VALUE":
		ok = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=.+$`).MatchString(value)
	default:
		return checkKind(kind, value)
	}
	if !ok {
		return fmt.Errorf("%q is no %s", value, kind)
	}
	return nil
}

// parseLite reads lines of "key value" and blocks. A backslash at the end of a
// line would join the next one, "<<<" begins a text of several lines; the last
// line counts only if it ends.
func parseLite(text string) (*liteBlock, error) {
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line does not end")
	}
	stack := []*liteBlock{{}}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		top := stack[len(stack)-1]
		if line == "" || line[0] == '#' {
			continue
		}
		if line == "}" {
			if len(stack) == 1 {
				return nil, fmt.Errorf("line %d: a brace too many", i+1)
			}
			stack = stack[:len(stack)-1]
			if err := checkLiteBlock(top); err != nil {
				return nil, fmt.Errorf("line %d: %s: %w", top.line, top.name, err)
			}
			continue
		}
		if strings.HasSuffix(line, `\`) || strings.Contains(line, "<<<") {
			return nil, fmt.Errorf("line %d goes on in the next: %s", i+1, line)
		}
		name, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		if head, ok := strings.CutSuffix(value, "{"); ok {
			b := &liteBlock{name: strings.TrimSpace(top.name + " " + name), of: strings.TrimSpace(head), line: i + 1, keys: map[string]string{}, env: map[string]string{}}
			if liteKinds()[b.name] == nil {
				return nil, fmt.Errorf("line %d: no block %q may stand there", i+1, b.name)
			}
			if slices.ContainsFunc(top.blocks, func(o *liteBlock) bool { return o.name == b.name && o.of == b.of }) {
				return nil, fmt.Errorf("line %d: %s %s a second time", i+1, b.name, b.of)
			}
			top.blocks = append(top.blocks, b)
			stack = append(stack, b)
			continue
		}
		if err := top.set(name, value); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if len(stack) > 1 {
		return nil, fmt.Errorf("line %d: %s does not end", stack[len(stack)-1].line, stack[len(stack)-1].name)
	}
	return stack[0], nil
}

// set takes a line of a block.
func (b *liteBlock) set(name, value string) error {
	kinds := liteKinds()[b.name]
	kind, ok := kinds[name]
	if !ok {
		kind, ok = kinds[name+"!"]
	}
	if !ok || kind == "(block)" {
		return fmt.Errorf("unknown key %q in block %q", name, b.name)
	}
	if err := checkLiteKind(kind, value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if kind == "KEY=VALUE" {
		key, v, _ := strings.Cut(value, "=")
		b.env[key] = v
		return nil
	}
	if _, ok := b.keys[name]; ok {
		return fmt.Errorf("%s a second time", name)
	}
	b.keys[name] = value
	return nil
}

// checkLiteBlock checks a block that has ended.
func checkLiteBlock(b *liteBlock) error {
	for key, kind := range liteKinds()[b.name] {
		name, required := strings.CutSuffix(key, "!")
		_, ok := b.keys[name]
		if kind == "(block)" {
			ok = slices.ContainsFunc(b.blocks, func(k *liteBlock) bool { return k.name == b.name+" "+name })
		}
		if required && !ok {
			return fmt.Errorf("%s is missing", name)
		}
	}
	if b.name == "realm userDB" {
		if b.of != "" {
			return fmt.Errorf("%q after userDB", b.of)
		}
		return nil
	}
	return checkLiteKind("(word)", b.of)
}

// litePlan is the plan and what has been read.
type litePlan struct {
	deploy.Planned
	root *liteBlock
}

// find returns a block at the top.
func (l litePlan) find(name, of string) *liteBlock {
	for _, b := range l.root.blocks {
		if b.name == name && b.of == of {
			return b
		}
	}
	return nil
}

// readLiteSpeed is LiteSpeed's reader.
func readLiteSpeed(p deploy.Planned, text string) error {
	root, err := parseLite(text)
	if err != nil {
		return err
	}
	l := litePlan{p, root}
	var f findings
	// The line to be copied has a word as its value, too.
	if _, at, ok := strings.Cut(text, "#   include "); !ok {
		f.say("it does not say how to include it")
	} else if at, _, _ = strings.Cut(at, "\n"); at != p.Options.Dir+"/"+p.Config {
		f.say("include %q, the file is %s/%s", at, p.Options.Dir, p.Config)
	} else {
		f.take(checkLiteKind("(path)", at))
	}
	for _, b := range root.blocks {
		var err error
		switch b.name {
		case "extprocessor":
			err = l.extprocessor(b)
		case "context":
			err = l.context(b)
		case "realm":
			if at := b.blocks[0].keys["location"]; at != p.Options.Auth.File || b.of != p.Options.Auth.Realm {
				err = fmt.Errorf("users of %q are in %q", b.of, at)
			}
		}
		if err != nil {
			f.say("line %d: %s %s: %w", b.line, b.name, b.of, err)
		}
	}
	if len(f.list) == 0 {
		f.take(ask(p.Options, l.route))
	}
	return f.err()
}

// extprocessor checks one: projhost runs already, and listens there.
func (l litePlan) extprocessor(b *liteBlock) error {
	if b.keys["type"] != "fcgi" || b.keys["autoStart"] != "0" || b.keys["path"] != "" || len(b.env) > 0 {
		return fmt.Errorf("want one of type fcgi that is not started: %v", b.keys)
	}
	got, err := l.listener(b)
	if err == nil && got.scheme != "fcgi" {
		err = fmt.Errorf("projhost speaks %s there", got.scheme)
	}
	return err
}

func (l litePlan) listener(b *liteBlock) (listener, error) {
	at := b.keys["address"]
	if path, ok := strings.CutPrefix(at, "uds:/"); ok {
		at = path
	}
	return listenerAt(l.Planned, at)
}

// context checks one.
func (l litePlan) context(b *liteBlock) error {
	expr, isExpr := strings.CutPrefix(b.of, "exp:")
	if _, err := regexp.Compile(expr); isExpr && err != nil {
		return err
	}
	if !isExpr && (b.of[0] != '/' || !strings.HasSuffix(b.of, "/")) {
		return fmt.Errorf("it is not for what is below a directory")
	}
	switch b.keys["type"] {
	case "fcgi":
		if l.find("extprocessor", b.keys["handler"]) == nil {
			return fmt.Errorf("there is no extprocessor %q", b.keys["handler"])
		}
		if b.keys["location"] != "" {
			return fmt.Errorf("location belongs to type null")
		}
	case "null":
		if !strings.HasSuffix(b.keys["location"], "/") || b.keys["allowBrowse"] != "1" || b.keys["handler"] != "" {
			return fmt.Errorf("type null needs a directory as location and allowBrowse, and no handler")
		}
	default:
		return fmt.Errorf("type %s is not what is written", b.keys["type"])
	}
	realm, asks := b.keys["realm"]
	if !asks {
		if b.keys["authName"] != "" || b.keys["required"] != "" {
			return fmt.Errorf("authName or required without a realm")
		}
		return nil
	}
	if l.find("realm", realm) == nil {
		return fmt.Errorf("there is no realm %q", realm)
	}
	if b.keys["required"] != "valid-user" || b.keys["authName"] != l.Options.Auth.Realm {
		return fmt.Errorf("want the name %q and a valid user: %v", l.Options.Auth.Realm, b.keys)
	}
	return nil
}

// route is what the contexts do with a request: the first regular expression that
// matches counts, else the longest path. A directory without its slash is
// redirected to it.
func (l litePlan) route(path string) (answer, error) {
	var best *liteBlock
	for _, b := range l.root.blocks {
		if b.name != "context" {
			continue
		}
		if expr, ok := strings.CutPrefix(b.of, "exp:"); ok {
			if regexp.MustCompile(expr).MatchString(path) {
				best = b
				break
			}
		} else if strings.HasPrefix(path+"/", b.of) && (best == nil || len(b.of) > len(best.of)) {
			best = b
		}
	}
	if best == nil {
		return answer{}, nil
	}
	if best.keys["type"] == "null" {
		return answer{file: best.keys["location"] + strings.TrimPrefix(path, best.of)}, nil
	}
	got, err := l.listener(l.find("extprocessor", best.keys["handler"]))
	return answer{target: got.target, auth: best.keys["realm"] != ""}, err
}

func TestLiteSpeedRefuses(t *testing.T) {
	o := goldenOptions(t, "litespeed-fastcgi-full.txtar")
	o.Mounts = []deploy.Mount{{Path: "/one", Env: "/srv/one"}, {Path: "/", Parent: "/srv/all"}}
	p, text := planOf(t, o)
	for _, c := range [][2]string{
		{strings.TrimSuffix(text, "\n"), "does not end"},
		{strings.TrimSuffix(text, "}\n"), "realm does not end"},
	} {
		if err := readLiteSpeed(p, c[0]); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("got %v, want %q in it", err, c[1])
		}
	}
	refuses(t, o, readLiteSpeed, []broken{
		{"brace too many", "\n}\n", "\n}\n}\n", "a brace too many"},
		{"block", "\ncontext /one/ {", "\nlistener /one/ {", "no block"},
		{"block in a block", "userDB  {", "groups {", "no block"},
		{"key", "maxConns ", "maxConnections ", "unknown key"},
		{"key outside", "\nextprocessor", "\ntype fcgi\n\nextprocessor", "unknown key"},
		{"twice", "autoStart               0", "autoStart               0\n  autoStart               0", "a second time"},
		{"block twice", "context /one/chrome/common/ {", "context /one/ {", "a second time"},
		{"missing", "  maxConns                64\n", "", "maxConns is missing"},
		{"missing block", "  userDB  {\n    location              /srv/deploy/auth/users.htpasswd\n    maxCacheSize          200\n    cacheTimeout          60\n  }\n", "", "userDB is missing"},
		{"number", "maxConns                64", "maxConns                many", "(number)"},
		{"switch", "persistConn             1", "persistConn             yes", "none of 0 1"},
		{"charset", "addDefaultCharset       off", "addDefaultCharset       none", "none of on off"},
		{"type", "type                    fcgi", "type                    fastcgi", "none of fcgi"},
		{"address", "uds://run/", "uds:///run/", "no (address)"},
		{"address without uds", "uds://run/", "/run/", "no (address)"},
		{"port", "uds://run/projhost/fcgi-1.sock", "127.0.0.1:0", "no (address)"},
		{"environment", "autoStart               0", "autoStart               0\n  env                     TRAC_ENV", "KEY=VALUE"},
		{"variable", "/srv/deploy/htdocs/common/\n", "$SERVER_ROOT/common/\n", "a variable"},
		{"blank", "/srv/deploy/htdocs/common/\n", "/srv/de ploy/htdocs/common/\n", "no (path)"},
		{"backslash", "addDefaultCharset       off", "addDefaultCharset       off\\", "goes on"},
		{"several lines", "addDefaultCharset       off", "addDefaultCharset       <<<END", "goes on"},
		{"two words", "realm projhost {", "realm proj host {", "no (word)"},
		{"no extprocessor", "handler                 projhost_fastcgi\n", "handler                 projhost\n", "no extprocessor"},
		{"no realm", "realm                   projhost\n", "realm                   other\n", "no realm"},
		{"realm left out", "  realm                   projhost\n", "", "without a realm"},
		{"nobody required", "  required                valid-user\n", "", "a valid user"},
		{"other name", "authName                projhost", "authName                other", "the name"},
		{"static without slash", "htdocs/common/\n", "htdocs/common\n", "type null needs"},
		{"static not allowed", "allowBrowse             1", "allowBrowse             0", "type null needs"},
		{"no directory", "context /one/ {", "context /one {", "not for what is below"},
		{"regular expression", "exp:^/one/login(?:", "exp:^/one/login((", "missing closing"},
		{"other socket", "projhost/fcgi-1.sock", "projhost/fcgi-2.sock", "nothing listens"},
		{"sockets changed", "uds://run/projhost/fcgi-1.sock", "uds://run/projhost/fcgi.sock", "request \"/one\""},
		{"started", "autoStart               0", "autoStart               1", "not started"},
		{"users", "auth/users.htpasswd", "auth/users", "users of"},
		{"file of static", "htdocs/common/\n", "htdocs/\n", "the server sends"},
		{"no password", "exp:^/one/login", "exp:^/one/signin", "auth:true"},
		{"include", "include /srv/deploy/litespeed", "include /srv/litespeed", "the file is"},
		{"no include", "#   include ", "#   copy ", "how to include"},
		{"name of userDB", "userDB  {", "userDB users {", "after userDB"},
		{"variables", "autoStart               0", "autoStart               0\n  env                     TRAC_ENV=/srv/one", "not started"},
		{"location of a program", "handler                 projhost_fastcgi_1\n", "handler                 projhost_fastcgi_1\n  location /srv\n", "belongs to type null"},
		{"other type", "type                    null", "type                    cgi", "not what is written"},
	})
}
