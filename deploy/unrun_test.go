package deploy_test

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"projhost/deploy"
)

// reader reads the main file of a plan as the server would, and says what of it
// the server would refuse or understand in another way than it is meant.
type reader func(p deploy.Planned, text string) error

// readers are for the servers that no test can run, by name.
func readers() map[string]reader {
	return map[string]reader{
		"cherokee":    readCherokee,
		"iis":         readIIS,
		"litespeed":   readLiteSpeed,
		"mod_fastcgi": readModFastCGI,
	}
}

// TestUnrun reads what is written for the servers that are not run: for the
// options of the golden files, and for harder ones.
func TestUnrun(t *testing.T) {
	unused := readers()
	for _, s := range deploy.Servers() {
		for _, w := range s.Ways {
			if !w.Untested {
				continue
			}
			read, ok := readers()[s.Name]
			if !ok {
				t.Errorf("%s %s is neither run nor read by a test", s.Name, w.Name)
				continue
			}
			delete(unused, s.Name)
			for _, kind := range goldenKinds() {
				t.Run(fmt.Sprintf("%s-%s-%s", s.Name, w.Name, kind), func(t *testing.T) {
					readPlan(t, read, goldenOptions(t, fmt.Sprintf("%s-%s-%s.txtar", s.Name, w.Name, kind)))
				})
			}
			for _, h := range hardSets() {
				t.Run(fmt.Sprintf("%s-%s-%s", s.Name, w.Name, h.name), func(t *testing.T) {
					o := h.options
					o.Server, o.Way = s.Name, w.Name
					if w.NoAuth != "" {
						o.Auth = deploy.Auth{}
					}
					if want, ok := h.refused[s.Name+" "+w.Name]; ok {
						if _, err := deploy.Plan(o); err == nil || !strings.Contains(err.Error(), want) {
							t.Errorf("got %v, want a refusal with %q", err, want)
						}
						return
					}
					readPlan(t, read, o)
				})
			}
		}
	}
	for name := range unused {
		t.Errorf("the reader of %s has nothing to read", name)
	}
}

// readPlan plans and reads.
func readPlan(t *testing.T, read reader, o deploy.Options) {
	t.Helper()
	p, text := planOf(t, o)
	if err := read(p, text); err != nil {
		t.Errorf("%s: %v", p.Config, err)
	}
}

// planOf is a plan and its main file.
func planOf(t *testing.T, o deploy.Options) (deploy.Planned, string) {
	t.Helper()
	p, err := deploy.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := fileOf(p, p.Config)
	if !ok {
		t.Fatalf("the plan has no %s", p.Config)
	}
	return p, f.Text
}

func fileOf(p deploy.Planned, name string) (deploy.File, bool) {
	i := slices.IndexFunc(p.Files, func(f deploy.File) bool { return f.Path == name })
	if i < 0 {
		return deploy.File{}, false
	}
	return p.Files[i], true
}

// goldenOptions are the options in a golden file.
func goldenOptions(t *testing.T, name string) deploy.Options {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return optionsIn(t, a)
}

// hardSet are options beyond the golden files', and why some ways refuse them.
type hardSet struct {
	name    string
	options deploy.Options
	refused map[string]string // by server and way: a part of the error
}

// hard is a name with what formats use for themselves.
const hard = `a ${b} = [c]*? "d\ & <e> --- --> 'f'; #{g} %h% (i)+|j,k\`

func hardSets() []hardSet {
	base := deploy.Options{Dir: "/srv/deploy", Program: "/usr/local/bin/projhost"}
	nested, inner, loopback, digest, named := base, base, base, base, base
	nested.Mounts = []deploy.Mount{
		{Path: "/", Parent: "/srv/trac"}, {Path: "/trac", Parent: "/srv/other"}, {Path: "/tr", Env: "/srv/tr"},
		{Path: "/trac/one", Env: "/srv/one"}, {Path: "/trac/one/deep", Parent: "/srv/deep"}, {Path: "/a.b(c)+d", Env: "/srv/a"},
	}
	nested.Auth = deploy.Auth{Kind: deploy.AuthBasic}
	all := nested
	all.Auth.All = true
	inner.Mounts = []deploy.Mount{{Path: "/", Env: "/srv/root"}, {Path: "/one", Env: "/srv/" + hard}}
	loopback.Mounts, loopback.Listen, loopback.LCTime = inner.Mounts, "127.0.0.1:9100", "de_DE"
	loopback6 := loopback
	loopback6.Listen = "[::1]:9100"
	digest.Mounts = []deploy.Mount{{Path: "/one", Env: "/srv/one"}}
	digest.Auth = deploy.Auth{Kind: deploy.AuthDigest, Realm: "the projects"}
	quoted := digest
	quoted.Auth.Realm = `the "projects"`
	named.Dir, named.RunDir, named.DoctorKeyFile = "/srv/"+hard, "/run/x", "/etc/"+hard
	named.Mounts = []deploy.Mount{{Path: "/" + hard, Env: "/srv/x/" + hard}, {Path: "/one---two", Parent: "/srv/a--->"}}
	named.Auth = deploy.Auth{Kind: deploy.AuthBasic, Realm: hard}
	bare := named
	bare.Auth = deploy.Auth{}
	return []hardSet{
		{"nested", nested, nil},
		{"nested, all asked for", all, nil},
		{"environment", inner, nil},
		{"TCP", loopback, nil},
		{"TCP, IPv6", loopback6, map[string]string{"mod_fastcgi fastcgi": "IPv6", "mod_fastcgi fastcgi_external": "IPv6"}},
		{"digest", digest, map[string]string{"litespeed fastcgi": "has no digest authentication"}},
		{"digest, quoted", quoted, map[string]string{
			"litespeed fastcgi": "realm", "cherokee scgi": "realm", "cherokee fastcgi": "realm",
			"mod_fastcgi fastcgi": "realm", "mod_fastcgi fastcgi_external": "realm",
		}},
		{"hard", named, map[string]string{"litespeed fastcgi": "LiteSpeed's configuration cannot say"}},
		{"hard, open", bare, map[string]string{"litespeed fastcgi": "LiteSpeed's configuration cannot say"}},
		{"hard program", deploy.Options{Dir: "/srv/d", Program: "/opt/a b/projhost", Mounts: inner.Mounts}, map[string]string{
			"cherokee scgi": "program", "cherokee fastcgi": "program",
		}},
		{"LiteSpeed's variable", deploy.Options{Dir: "/srv/$VH_NAME", Program: base.Program, Mounts: inner.Mounts}, map[string]string{
			"litespeed fastcgi": "LiteSpeed's configuration cannot say",
		}},
		{"no XML", deploy.Options{Dir: "/srv/d", Program: base.Program, Mounts: []deploy.Mount{{Path: "/a\ufffe", Env: "/srv/one"}}}, map[string]string{
			"iis http": "XML",
		}},
	}
}

// broken is a change of a good configuration and a part of what its reader must
// say about it.
type broken struct {
	name, old, now, want string
}

// refuses proves a reader: it takes the configuration as it is written, and none
// of the broken ones.
func refuses(t *testing.T, o deploy.Options, read reader, list []broken) {
	t.Helper()
	p, text := planOf(t, o)
	if err := read(p, text); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	for _, b := range list {
		t.Run(b.name, func(t *testing.T) {
			bad := strings.Replace(text, b.old, b.now, 1)
			if bad == text {
				t.Fatalf("%q is not in it:\n%s", b.old, text)
			}
			if err := read(p, bad); err == nil || !strings.Contains(err.Error(), b.want) {
				t.Errorf("got %v, want %q in it", err, b.want)
			}
		})
	}
}

// findings are what is wrong with a configuration.
type findings struct{ list []error }

func (f *findings) say(format string, args ...any) {
	f.list = append(f.list, fmt.Errorf(format, args...))
}

func (f *findings) take(err error) {
	if err != nil {
		f.list = append(f.list, err)
	}
}

func (f *findings) err() error { return errors.Join(f.list...) }

// target is what projhost is told of a request: which environment it is for, and
// where that is on the site.
type target struct{ env, parent, root, lcTime string }

func targetOf(m deploy.Mount, o deploy.Options) target {
	return target{m.Env, m.Parent, m.Path, o.LCTime}
}

// targetIn reads a target from variables, or from a listener's options.
func targetIn(vars map[string]string, env, parent, root, lcTime string) (target, error) {
	for name := range vars {
		if !slices.Contains([]string{env, parent, root, lcTime}, name) {
			return target{}, fmt.Errorf("projhost is told %s, which it does not know", name)
		}
	}
	return target{vars[env], vars[parent], vars[root], vars[lcTime]}, nil
}

func targetOfVariables(vars map[string]string) (target, error) {
	return targetIn(vars, "TRAC_ENV", "TRAC_ENV_PARENT_DIR", "TRAC_URI_ROOT", "LC_TIME")
}

// listener is one of Planned.Listen in its parts.
type listener struct {
	scheme string // without "+unix"
	at     string // a socket's path or HOST:PORT
	target
}

func listenerOf(address string) (listener, error) {
	u, err := url.Parse(address)
	if err != nil {
		return listener{}, err
	}
	scheme, unix := strings.CutSuffix(u.Scheme, "+unix")
	l := listener{scheme: scheme, at: u.Host}
	if unix {
		l.at = u.Path
	}
	vars := map[string]string{}
	for name, values := range u.Query() {
		if !slices.Contains([]string{"group", "trust", "user-header"}, name) {
			vars[name] = values[0]
		}
	}
	l.target, err = targetIn(vars, "env", "env-parent-dir", "prefix", "lc-time")
	return l, err
}

// listenerAt is the one of the plan's listeners that a server reaches there.
func listenerAt(p deploy.Planned, at string) (listener, error) {
	for _, address := range p.Listen {
		l, err := listenerOf(address)
		if err != nil {
			return l, err
		}
		if l.at == at {
			return l, nil
		}
	}
	return listener{}, fmt.Errorf("nothing listens at %q", at)
}

// answer is what a configuration does with a request.
type answer struct {
	target
	file string // that the server sends itself; projhost is not asked
	auth bool   // a password is asked for
}

// ask compares what a configuration does with requests with what the options mean.
func ask(o deploy.Options, route func(path string) (answer, error)) error {
	var f findings
	for _, path := range asked(o) {
		got, err := route(path)
		if err != nil {
			f.say("request %q: %w", path, err)
			continue
		}
		want, file := meant(o, path)
		if got.file != "" {
			if got.file != file {
				f.say("request %q: the server sends %q, want %q", path, got.file, file)
			}
			continue
		}
		if got != want {
			f.say("request %q: got %+v, want %+v", path, got, want)
		}
	}
	return f.err()
}

// asked are paths within, at the edge of and beside each mount.
func asked(o deploy.Options) []string {
	all := map[string]bool{}
	for _, m := range o.Mounts {
		base := strings.TrimSuffix(m.Path, "/")
		project := base
		if m.Parent != "" {
			project += "/pro j"
		}
		for _, s := range []string{
			m.Path, base + "/", project, base + "x/wiki", strings.ToUpper(base) + "/wiki", project + "/wiki/A b", project + "/login",
			project + "/login/x", project + "/loginx", project + "/x/login", project + "/chrome/common/css/a b.css",
		} {
			if strings.HasPrefix(s, "/") {
				all[s] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// meant is what is to be done with a request, and which file may be sent instead.
func meant(o deploy.Options, path string) (answer, string) {
	var a answer
	var file string
	longest := -1
	for _, m := range o.Mounts {
		base := strings.TrimSuffix(m.Path, "/")
		rest, ok := strings.CutPrefix(path, base)
		if !ok || rest != "" && rest[0] != '/' || len(base) <= longest {
			continue
		}
		longest = len(base)
		if m.Parent != "" {
			_, rest, _ = strings.Cut(strings.TrimPrefix(rest, "/"), "/")
			rest = "/" + rest
		}
		login := rest == "/login" || strings.HasPrefix(rest, "/login/")
		a = answer{target: targetOf(m, o), auth: o.Auth.Kind != deploy.AuthNone && (o.Auth.All || login)}
		file = ""
		if name, ok := strings.CutPrefix(rest, "/chrome/common/"); ok {
			file = o.Dir + "/htdocs/common/" + name
		}
	}
	return a, file
}

// shellWords splits a command as sh does, if it is one of plain and quoted words.
func shellWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quoted := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'':
			quoted, inWord = !quoted, true
		case quoted:
			word.WriteByte(c)
		case c == ' ':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		case c == '\\' && i+1 < len(s):
			i++
			word.WriteByte(s[i])
			inWord = true
		case strings.IndexByte("\"$`\\|&;<>()*?[]#~!{}\t\n", c) >= 0:
			return nil, fmt.Errorf("sh would not take %q for itself in %q", c, s)
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("a quotation of sh does not end in %q", s)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// optionsOf reads "--name value" pairs of a command.
func optionsOf(words []string) (map[string][]string, error) {
	all := map[string][]string{}
	for i := 0; i < len(words); i += 2 {
		name, ok := strings.CutPrefix(words[i], "--")
		if !ok || i+1 == len(words) {
			return nil, fmt.Errorf("%q is not an option with a value", words[i:])
		}
		all[name] = append(all[name], words[i+1])
	}
	return all, nil
}
