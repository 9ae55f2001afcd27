package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"projhost/db"
	"projhost/dispatch"
	"projhost/envs"
	"projhost/envs/envlog"
	"projhost/project"
)

// hostFlags say which environments a command is about and within what bounds.
type hostFlags struct {
	env, parent   string
	envs          []string // directories served by their names
	roots         []string
	indexTemplate string
	templateVars  string
	baseURL       string
	lcTime        string
	maxOpen       int
	maxConcurrent int
	maxQueue      int
	queueWait     time.Duration
	idleClose     time.Duration
	connections   int
	readOnly      bool
	pooler        bool
	listen        bool // to what other processes tell, for one that serves for long
	doctorKeyFile string
	logFormat     string
	logLevel      string
	door          doorFlags
	watch         watchFlags
	limits        limitFlags
	life          lifeFlags
	auth          authFlags
	settle        func() error // called when all listeners are open, before any request; may be nil
	ready         func()       // called when all listeners accept; may be nil
}

// where adds the flags that name environments.
func (f *hostFlags) where(fs *pflag.FlagSet) {
	fs.StringVar(&f.env, "env", "", "serve this one environment (as TRAC_ENV)")
	fs.StringVar(&f.parent, "env-parent-dir", "", "serve every environment in this directory (as TRAC_ENV_PARENT_DIR)")
	fs.StringArrayVar(&f.roots, "allow-root", nil, "let requests name environments at and below this directory; repeatable (default: what --env, --env-parent-dir or the process environment name)")
}

// logs adds the flags about logging.
func (f *hostFlags) logs(fs *pflag.FlagSet, level string) {
	fs.StringVar(&f.logFormat, "log-format", "text", "form of the log on stderr: text or json")
	fs.StringVar(&f.logLevel, "log-level", level, "least level that is logged: debug, info, warn or error")
}

const doctorKeyFlag = "doctor-key-file"

// bounds adds the flags that bound a host.
func (f *hostFlags) bounds(fs *pflag.FlagSet) {
	fs.StringVar(&f.indexTemplate, "index-template", "", "template of the project index (as TRAC_ENV_INDEX_TEMPLATE)")
	fs.StringVar(&f.templateVars, "template-vars", "", "values for the index template, name=value,name=value (as TRAC_TEMPLATE_VARS)")
	fs.StringVar(&f.baseURL, "base-url", "", "address of the program as visitors see it (as TRAC_BASE_URL)")
	fs.StringVar(&f.lcTime, "lc-time", "", "locale of dates, as ru_RU (as LC_TIME)")
	fs.IntVar(&f.maxOpen, "max-open", envs.DefaultMaxOpen, "environments open at once")
	fs.IntVar(&f.maxConcurrent, "max-concurrent", envs.DefaultMaxConcurrent, "requests at once in one environment")
	fs.IntVar(&f.maxQueue, "max-queue", envs.DefaultMaxQueue, "requests waiting for one environment")
	fs.IntVar(&f.connections, "db-connections", db.DefaultConnections, "connections to PostgreSQL servers, of all environments together")
	fs.BoolVar(&f.pooler, "db-pooler", false, "PostgreSQL is reached by way of a pooler in transaction mode, as PgBouncer")
	fs.BoolVar(&f.readOnly, "readonly", false, "serve every environment for reading only, as [trac] readonly does one")
	fs.DurationVar(&f.queueWait, "queue-wait", envs.DefaultQueueWait, "how long a request waits for its turn")
	fs.StringVar(&f.doctorKeyFile, doctorKeyFlag, "", "let who has the key in this file see how requests are understood (see projhost doctor)")
	fs.DurationVar(&f.idleClose, "idle-close", envs.DefaultIdleClose, "close an environment unused for so long")
}

// logger returns the logger that the flags ask for.
func (f *hostFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %q: want debug, info, warn or error", f.logLevel)
	}
	o := &slog.HandlerOptions{Level: level}
	switch f.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, fmt.Errorf("--log-format %q: want text or json", f.logFormat)
}

// settings are what flags and process environment say, the flags first. The
// process environment is read here, once, and never again.
func (f *hostFlags) settings() (map[string]string, error) {
	told := map[string]string{
		"TRAC_ENV": f.env, "TRAC_ENV_PARENT_DIR": f.parent, "TRAC_BASE_URL": f.baseURL,
		"TRAC_ENV_INDEX_TEMPLATE": f.indexTemplate, "TRAC_TEMPLATE_VARS": f.templateVars,
		"LC_TIME": f.lcTime,
	}
	if f.env != "" && f.parent != "" {
		return nil, fmt.Errorf("--env and --env-parent-dir were both given: choose one")
	}
	if len(f.envs) > 0 && (f.env != "" || f.parent != "") {
		return nil, fmt.Errorf("directories of environments were given beside --env or --env-parent-dir: choose one")
	}
	byFlag := f.env != "" || f.parent != "" || len(f.envs) > 0
	for _, name := range dispatch.SettingNames() {
		where := name == "TRAC_ENV" || name == "TRAC_ENV_PARENT_DIR"
		if told[name] == "" && !(where && byFlag) {
			told[name] = os.Getenv(name)
		}
	}
	if told["TRAC_ENV"] != "" && told["TRAC_ENV_PARENT_DIR"] != "" {
		return nil, fmt.Errorf("TRAC_ENV and TRAC_ENV_PARENT_DIR are both set in the environment of the process: unset one")
	}
	for _, name := range []string{"TRAC_ENV", "TRAC_ENV_PARENT_DIR", "TRAC_ENV_INDEX_TEMPLATE"} {
		if told[name] == "" {
			continue
		}
		abs, err := filepath.Abs(told[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		told[name] = abs
	}
	return told, nil
}

// allowedRoots are the directories requests may name environments in; listed
// are those that listeners name.
func (f *hostFlags) allowedRoots(settings map[string]string, listed ...string) ([]string, error) {
	roots := slices.Clone(f.roots)
	if len(roots) == 0 {
		roots = append(listed, settings["TRAC_ENV"], settings["TRAC_ENV_PARENT_DIR"])
	}
	roots = slices.DeleteFunc(roots, func(s string) bool { return strings.TrimSpace(s) == "" })
	for i, r := range roots {
		abs, err := filepath.Abs(r)
		if err != nil {
			return nil, fmt.Errorf("--allow-root %s: %w", r, err)
		}
		if fi, err := os.Stat(abs); err != nil {
			return nil, failed(fmt.Errorf("the directory %s cannot be used: %w", abs, unwrapPath(err)))
		} else if !fi.IsDir() {
			return nil, failed(fmt.Errorf("%s is not a directory", abs))
		}
		roots[i] = abs
	}
	return roots, nil
}

// unwrapPath takes the path off an error that will be named anyway.
func unwrapPath(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}

// registry finds environments; logs are their own, nil for a command that serves none.
func (f *hostFlags) registry(roots []string, logs *envlog.Logs, log *slog.Logger) *envs.Registry {
	return envs.NewRegistry(envs.Options{
		AllowRoots: roots, ReadOnly: f.readOnly, Connections: f.connections, Pooler: f.pooler, Listen: f.listen,
		MaxOpen: f.maxOpen, MaxConcurrent: f.maxConcurrent, MaxQueue: f.maxQueue,
		QueueWait: f.queueWait, IdleClose: f.idleClose, Logs: logs, Log: log,
	})
}

// newHost adds the modules.
func newHost(o dispatch.Options) *dispatch.Host {
	o.Site = project.NewSite(modules()...)
	return dispatch.New(o)
}

// key reads the key that a flag names the file of; "" if it names none.
func key(flag, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	key, err := readKey(file)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	return key, nil
}
