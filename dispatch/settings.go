package dispatch

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"projhost/envs"
	"projhost/envs/tracini"
	"projhost/front/gateway"
	"projhost/internal/fault"
	"projhost/internal/locale"
)

// setting is something the web server, the listener or the process may tell.
type setting struct {
	name string // as Trac's process environment spells it
	trac string // as Trac's WSGI environment spells it; "" if it does not
}

// The settings of a request, under both of Trac's spellings.
func settingEnv() setting      { return setting{"TRAC_ENV", "trac.env_path"} }
func settingParent() setting   { return setting{"TRAC_ENV_PARENT_DIR", "trac.env_parent_dir"} }
func settingTemplate() setting { return setting{"TRAC_ENV_INDEX_TEMPLATE", "trac.env_index_template"} }
func settingVars() setting     { return setting{"TRAC_TEMPLATE_VARS", "trac.template_vars"} }
func settingBaseURL() setting  { return setting{"TRAC_BASE_URL", "trac.base_url"} }
func settingLocale() setting   { return setting{"TRAC_LOCALE", "trac.locale"} }
func settingTime() setting     { return setting{"LC_TIME", ""} }

// allSettings are all there are.
func allSettings() []setting {
	return []setting{
		settingEnv(), settingParent(), settingTemplate(), settingVars(), settingBaseURL(), settingLocale(), settingTime(),
	}
}

// SettingNames are the names under which a process environment may tell
// settings; cmd reads them once at start.
func SettingNames() []string {
	var names []string
	for _, s := range allSettings() {
		names = append(names, s.name)
	}
	return names
}

// level is a place where a setting is looked for, the nearest first.
type level int

const (
	levelRequest  level = iota // the variables the web server sent with the request
	levelListener              // the options of the listening socket
	levelProcess               // the flags and environment of the process
	levels
)

func (l level) String() string {
	return [...]string{"the request", "the listener", "the process"}[l]
}

// sources are all the places of one request.
type sources struct {
	vars    gateway.Vars
	process map[string]string
	named   bool // the process was started with environments by name
}

func (s sources) get(l level, name string) string {
	switch l {
	case levelRequest:
		return s.vars.Get(name)
	case levelListener:
		return s.vars.Setting(name)
	default:
		return s.process[name]
	}
}

// at is the value of a setting at one level; an empty value tells nothing.
// Both spellings may be used, but must not say different things.
func (s sources) at(l level, what setting) (string, error) {
	a, b := s.get(l, what.name), ""
	if what.trac != "" {
		b = s.get(l, what.trac)
	}
	switch {
	case a != "" && b != "" && a != b:
		return "", fmt.Errorf("%s says both %s=%q and %s=%q", l, what.name, a, what.trac, b)
	case a != "":
		return a, nil
	}
	return b, nil
}

// nearest is the value of a setting at the first level that tells it.
func (s sources) nearest(what setting) (value string, at level, err error) {
	for at = range levels {
		if value, err = s.at(at, what); err != nil {
			return "", at, fault.Wrap(fault.Internal, "", err)
		}
		if value != "" {
			return value, at, nil
		}
	}
	return "", at, nil
}

// scope is what was told of a request's environment: one directory, the parent
// of many, or that it is one of the process's own.
type scope struct {
	env, parent string
	named       bool
}

// errNothingTold has its remedy in it, for the log.
var errNothingTold = errors.New("no environment is named: set TRAC_ENV or TRAC_ENV_PARENT_DIR in the web server, or start with --env, --env-parent-dir or the directories of environments")

// scope reads which environment is meant. The nearest level that names an
// environment or a parent decides both, so that a process-wide TRAC_ENV never
// outweighs what the web server says of one location; a level that names both
// is refused. Where none tells anything, it is an environment that the process
// was started with, if there are any.
func (s sources) scope() (sc scope, err error) {
	for l := range levels {
		var errEnv, errParent error
		sc.env, errEnv = s.at(l, settingEnv())
		sc.parent, errParent = s.at(l, settingParent())
		if err := errors.Join(errEnv, errParent); err != nil {
			return scope{}, fault.Wrap(fault.Internal, "", err)
		}
		if sc.env != "" && sc.parent != "" {
			return scope{}, fault.Wrap(fault.Internal, "", fmt.Errorf("%s names TRAC_ENV=%q and TRAC_ENV_PARENT_DIR=%q: %w", l, sc.env, sc.parent, envs.ErrTwoNamed))
		}
		if sc != (scope{}) {
			return sc, nil
		}
	}
	if s.named {
		return scope{named: true}, nil
	}
	return scope{}, fault.Wrap(fault.Internal, "", errNothingTold)
}

// baseURL is the address the administrator gave for the program, without a
// slash at its end; "" if none was given.
func (s sources) baseURL() (string, error) {
	base, _, err := s.nearest(settingBaseURL())
	if err != nil || base == "" {
		return "", err
	}
	if err := checkBaseURL(base); err != nil {
		return "", fault.Wrap(fault.Internal, "", err)
	}
	return strings.TrimRight(base, "/"), nil
}

// locale is how a request's dates are written in the environment: as [trac]
// default_date_format says if it asks for ISO 8601, else by the nearest LC_TIME,
// the nearest locale, or [trac] default_language. One that is not known counts
// as not told: a bad name must not take a project away, as it does in Trac.
func (s sources) locale(config *tracini.Config) (locale.Locale, error) {
	if config.String("trac", "default_date_format") != "" {
		return locale.Locale{}, nil
	}
	for _, what := range []setting{settingTime(), settingLocale()} {
		name, _, err := s.nearest(what)
		if err != nil {
			return locale.Locale{}, err
		}
		if l, ok := locale.Find(name); ok {
			return l, nil
		}
	}
	l, _ := locale.Find(config.String("trac", "default_language"))
	return l, nil
}

// checkBaseURL refuses a base URL that is none.
func checkBaseURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("TRAC_BASE_URL=%q is not an http or https address", s)
	}
	return nil
}

// templateVars reads "name=value,name=value". A value may hold "="; an item
// without one is reported and left out.
func templateVars(s string, log *slog.Logger) map[string]string {
	if s == "" {
		return nil
	}
	vars := make(map[string]string)
	for item := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(item, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			log.Warn("TRAC_TEMPLATE_VARS: an item is not name=value and is left out", "item", item)
			continue
		}
		vars[name] = strings.TrimSpace(value)
	}
	return vars
}

// split takes the project's name off the front of a path: "/one/wiki" is
// "one" and "/wiki", "/one" and "/one/" are "one" and "/".
func split(path string) (name, rest string) {
	path = strings.TrimLeft(path, "/")
	name, rest, _ = strings.Cut(path, "/")
	return name, "/" + rest
}
