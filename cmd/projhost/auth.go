package main

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/pflag"

	"projhost/access/ht"
	"projhost/dispatch"
	"projhost/envs"
)

// authFlags say by which files visitors sign in.
type authFlags struct {
	basic, digest []string
	rules         []ht.Rule // what parse made of them
}

func (f *authFlags) flags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.basic, "basic-auth", nil, "let visitors of a project's /login sign in by an htpasswd file: PROJECT,FILE,REALM, * for all projects, and ,all at the end to guard every page; repeatable")
	fs.StringArrayVarP(&f.digest, "auth", "a", nil, "the same by an htdigest file")
}

// parse reads the rules; relative files are taken from where the program is now.
func (f *authFlags) parse() error {
	if f.rules != nil {
		return nil
	}
	for _, from := range []struct {
		flag   string
		scheme ht.Scheme
		given  []string
	}{{"--basic-auth", ht.Basic, f.basic}, {"--auth", ht.Digest, f.digest}} {
		for _, s := range from.given {
			r, err := ht.ParseRule(from.scheme, s)
			if err != nil {
				return fmt.Errorf("%s: %w", from.flag, err)
			}
			f.rules = append(f.rules, r)
		}
	}
	return nil
}

// wrap puts the rules in front of the host, if there are any.
func (f *authFlags) wrap(host *dispatch.Host, settings, named map[string]string, strict bool, log *slog.Logger) (http.Handler, error) {
	if err := f.parse(); err != nil {
		return nil, err
	}
	if len(f.rules) == 0 {
		return host, nil
	}
	for _, r := range f.rules {
		if err := knownProject(r.Project, settings, named); err != nil {
			if strict {
				return nil, err
			}
			log.Warn("a rule for logins may be of no use", "error", err)
		}
	}
	guard, err := ht.New(ht.Options{
		Rules: f.rules, Log: log, Page: dispatch.WriteProblem,
		Where: func(r *http.Request) ht.Place {
			names, path := host.Where(r)
			return ht.Place{Names: names, Path: path}
		},
	})
	if err != nil {
		return nil, err
	}
	return guard.Wrap(host), nil
}

// knownProject fails for a project that is not among those the process was
// started with: its name may be misspelt.
func knownProject(name string, settings, named map[string]string) error {
	env, parent := settings["TRAC_ENV"], settings["TRAC_ENV_PARENT_DIR"]
	switch {
	case name == ht.Any:
	case len(named) > 0:
		if _, ok := named[name]; !ok {
			return fmt.Errorf("a login is set up for the project %q, but there are %s", name, strings.Join(slices.Sorted(maps.Keys(named)), ", "))
		}
	case env != "":
		if base := filepath.Base(env); name != base {
			return fmt.Errorf("a login is set up for the project %q, but there is %s", name, base)
		}
	case parent != "":
		if _, err := os.Stat(filepath.Join(parent, name)); err != nil {
			return fmt.Errorf("a login is set up for the project %q, which is not there in %s", name, parent)
		}
	}
	return nil
}

// warnOpen tells of passwords that anybody on the way can read.
func (f *authFlags) warnOpen(listen []string, log *slog.Logger) {
	if len(f.basic) == 0 {
		return
	}
	for _, l := range listen {
		if strings.HasPrefix(l, "http:") && strings.Contains(l, "public=") {
			log.Warn("passwords travel unencrypted over this listener: use https", "listener", l)
		}
	}
}

// entrance is what requests come to before the host: the guard of logins, and
// nothing at all before the process is in the state in which it is meant to
// serve, without the privileges it has given up.
type entrance struct {
	next http.Handler
	open atomic.Bool
	err  atomic.Pointer[error]
}

// entrance checks what the flags say of logins and of single environments.
func (f *hostFlags) entrance(r *envs.Registry, host *dispatch.Host, listen []string, settings, named map[string]string, log *slog.Logger) (*entrance, error) {
	next, err := f.auth.wrap(host, settings, named, f.closed(listen, settings), log)
	if err != nil {
		return nil, err
	}
	if err := found(r, named); err != nil {
		return nil, err
	}
	f.auth.warnOpen(listen, log)
	return &entrance{next: next}, nil
}

// closed tells whether no other environments can be served than those that the
// process was started with: nothing else names any, and none can be made.
func (f *hostFlags) closed(listen []string, settings map[string]string) bool {
	return len(f.roots) == 0 && settings["TRAC_ENV_PARENT_DIR"] == "" && !slices.ContainsFunc(listen, func(l string) bool {
		return !strings.HasPrefix(l, "http") || strings.Contains(l, "env=") || strings.Contains(l, "env-parent-dir=")
	})
}

// settle lets requests in once f, which may be nil, has gone well.
func (e *entrance) settle(f func() error) error {
	if f != nil {
		if err := f(); err != nil {
			e.err.Store(&err)
			return err
		}
	}
	e.open.Store(true)
	return nil
}

// failure is why nobody was ever let in, or nil.
func (e *entrance) failure() error {
	if err := e.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (e *entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !e.open.Load() {
		w.Header().Set("Retry-After", "1")
		dispatch.WriteProblem(w, r, http.StatusServiceUnavailable, "This server is only just starting.")
		return
	}
	e.next.ServeHTTP(w, r)
}
