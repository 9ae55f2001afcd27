package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// tracd is what tracd's own options say (Trac 1.6).
type tracd struct {
	host hostFlags

	single     bool
	port       int
	hostname   string
	protocol   string
	cert, key  string
	basePath   string
	secretFile string

	daemonize   bool
	pidFile     string
	umask       string
	user, group string

	unquote, http10, http11, reload bool
}

func tracdCommand() *cobra.Command {
	var t tracd
	c := &cobra.Command{
		Use:   "tracd [ENV...]",
		Short: "Serve environments with the options of Trac's tracd",
		Long: `Tracd takes the options of the program of that name and does with them what
"projhost serve" does. The environments are served by the names of their
directories, with a list of them at the top; one with -s is served at the top
itself. Unlike tracd it never serves FastCGI, SCGI, uwsgi or AJP to other machines
unless -b names an address: who can connect there names the user.`,
		Version: version,
		RunE: func(c *cobra.Command, args []string) error {
			return t.run(c.Context(), c.Flags(), args, c.ErrOrStderr())
		},
	}
	t.flags(c.Flags())
	return c
}

func (t *tracd) flags(fs *pflag.FlagSet) {
	fs.SortFlags = false
	fs.StringVarP(&t.host.parent, "env-parent-dir", "e", "", "serve every environment in this directory")
	fs.BoolVarP(&t.single, "single-env", "s", false, "serve the one ENV at the top, without a list of projects")
	fs.IntVarP(&t.port, "port", "p", -1, "port to listen on (default: http 80, https 443, scgi 4000, ajp 8009, fcgi 8000, uwsgi 3031)")
	fs.Lookup("port").DefValue = "0" // the text tells
	fs.StringVarP(&t.hostname, "hostname", "b", "", "address to listen on, IPv4 or IPv6 (default: all for http and https, else 127.0.0.1)")
	fs.StringVar(&t.protocol, "protocol", "http", "http, https, scgi, ajp, fcgi or uwsgi")
	fs.StringVar(&t.cert, "certfile", "", "certificate for https, in PEM form")
	fs.StringVar(&t.key, "keyfile", "", "key of the certificate (default: in the file of the certificate)")
	fs.StringVar(&t.basePath, "base-path", "", "path of the program on its site")
	fs.StringVar(&t.secretFile, "ajp-secret-file", "", "file with the secret that ajp asks of the web server")
	t.host.auth.flags(fs)
	t.host.logs(fs, "info")
	t.host.watch.slowFlag(fs)
	fs.BoolVarP(&t.daemonize, "daemonize", "d", false, "go on in the background when ready")
	fs.StringVar(&t.pidFile, "pidfile", "", "write the number of the process to this file")
	fs.StringVar(&t.umask, "umask", "", "mode that new files are created without, in octal (default with -d: 022)")
	fs.StringVar(&t.user, "user", "", "user, by name or number, to become when the port is open")
	fs.StringVar(&t.group, "group", "", "group, by name or number, to become when the port is open")
	fs.BoolVarP(&t.unquote, "unquote", "q", false, "accepted, and without effect: paths are always decoded right")
	fs.BoolVar(&t.http10, "http10", false, "accepted, and without effect: clients say which HTTP they speak")
	fs.BoolVar(&t.http11, "http11", false, "accepted, and without effect")
	fs.BoolVarP(&t.reload, "auto-reload", "r", false, "accepted, and without effect: changed settings count at once")
	fs.BoolP("help", "h", false, "help for tracd")
	fs.Bool("version", false, "version of projhost")
}

// run does what the options say; args are the environments.
func (t *tracd) run(ctx context.Context, fs *pflag.FlagSet, args []string, stderr io.Writer) error {
	listen, err := t.prepare(args)
	if err != nil {
		return err
	}
	for _, without := range []struct {
		given bool
		note  string
	}{
		{t.unquote, "-q has no effect: paths are always decoded right"},
		{t.http10, "--http10 has no effect: clients say which HTTP they speak"},
		{t.http11, "--http11 has no effect: clients say which HTTP they speak"},
		{t.reload, "-r has no effect: changed settings count at once, and there is no code to load"},
	} {
		if without.given {
			_, _ = fmt.Fprintln(stderr, "projhost: "+without.note)
		}
	}
	if t.daemonize && !isDaemon() {
		if err := checkPIDFile(t.pidFile); err != nil {
			return failed(err)
		}
		return spawnDaemon(stderr)
	}
	if t.daemonize {
		return t.daemon(ctx, fs, listen)
	}
	return t.serve(ctx, fs, listen, stderr, func() {})
}

// daemon serves in the background: what it has to say goes to the process that
// started it until it is ready, and nowhere after that.
func (t *tracd) daemon(ctx context.Context, fs *pflag.FlagSet, listen string) error {
	report := daemonReport()
	err := os.Chdir("/")
	if err == nil {
		err = t.serve(ctx, fs, listen, report, report.ready)
	}
	if err != nil {
		_, _ = fmt.Fprintln(report, "projhost: "+firstLine(err))
	}
	report.close()
	return err
}

// serve listens and serves until ctx ends.
func (t *tracd) serve(ctx context.Context, fs *pflag.FlagSet, listen string, stderr io.Writer, ready func()) error {
	become, err := identityOf(t.user, t.group)
	if err != nil {
		return err
	}
	if mask, ok, err := t.mask(fs); err != nil {
		return err
	} else if ok {
		syscall.Umask(mask)
	}
	pid, err := newPIDFile(t.pidFile)
	if err != nil {
		return failed(err)
	}
	defer pid.remove()
	t.host.settle = func() error { return errors.Join(pid.write(), become.assume()) }
	t.host.ready = ready
	return t.host.serve(ctx, []string{listen}, stderr)
}

// mask is the umask to set, if any.
func (t *tracd) mask(fs *pflag.FlagSet) (mask int, ok bool, err error) {
	given := t.umask
	if !fs.Changed("umask") {
		if !t.daemonize {
			return 0, false, nil
		}
		given = "022"
	}
	n, err := strconv.ParseUint(given, 8, 9)
	if err != nil {
		return 0, false, fmt.Errorf("--umask %q: want an octal number like 022", given)
	}
	return int(n), true, nil
}

// prepare checks the options, makes all their paths absolute, and returns the
// listener they mean.
func (t *tracd) prepare(args []string) (listen string, err error) {
	switch {
	case t.host.parent == "" && len(args) == 0:
		return "", errors.New("nothing to serve: give the directory of at least one environment, or -e with the directory of many")
	case t.host.parent != "" && t.single:
		return "", errors.New("-e and -s were both given: choose one")
	case t.host.parent != "" && len(args) > 0:
		return "", errors.New("-e and directories of environments were both given: choose one")
	case t.single && len(args) != 1:
		return "", fmt.Errorf("-s serves one environment, but %d were given", len(args))
	case t.daemonize && t.reload:
		return "", errors.New("-d and -r were both given: choose one")
	}
	for i := range args {
		if err := absolute(&args[i]); err != nil {
			return "", err
		}
	}
	if err := absolute(&t.host.parent, &t.cert, &t.key, &t.secretFile, &t.pidFile); err != nil {
		return "", err
	}
	if t.single {
		t.host.env = args[0]
	} else {
		t.host.envs = args
	}
	if err := t.host.auth.parse(); err != nil {
		return "", err
	}
	return t.listener()
}

// absolute makes paths independent of the directory the process is in; an
// empty one stays.
func absolute(paths ...*string) error {
	for _, p := range paths {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("%s: %w", *p, err)
		}
		*p = abs
	}
	return nil
}

// listener is the address to listen on, as --listen of serve has it.
func (t *tracd) listener() (string, error) {
	ports := map[string]int{"http": 80, "https": 443, "scgi": 4000, "ajp": 8009, "fcgi": 8000, "uwsgi": 3031}
	port, ok := ports[t.protocol]
	if !ok {
		return "", fmt.Errorf("--protocol %q: there are http, https, scgi, ajp, fcgi and uwsgi", t.protocol)
	}
	if t.port != -1 {
		if port = t.port; port < 0 || port > 65535 {
			return "", fmt.Errorf("--port %d is no port", port)
		}
	}
	options := url.Values{}
	web := t.protocol == "http" || t.protocol == "https"
	host := strings.TrimSuffix(strings.TrimPrefix(t.hostname, "["), "]")
	if host == "" && !web {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
		options.Set("public", "1")
	}
	switch {
	case t.protocol == "https" && t.cert == "":
		return "", errors.New("--protocol https needs a certificate: give --certfile")
	case t.protocol == "https":
		options.Set("cert", t.cert)
		options.Set("key", t.cert)
		if t.key != "" {
			options.Set("key", t.key)
		}
	case t.cert != "" || t.key != "":
		return "", errors.New("--certfile and --keyfile are for --protocol https")
	}
	switch {
	case t.secretFile != "" && t.protocol != "ajp":
		return "", errors.New("--ajp-secret-file is for --protocol ajp")
	case t.secretFile == "" && t.protocol == "ajp":
		return "", errors.New("--protocol ajp needs the secret of the web server's secret= in a file: give --ajp-secret-file")
	case t.secretFile != "":
		options.Set("secret-file", t.secretFile)
	}
	if base := strings.Trim(t.basePath, "/"); base != "" {
		options.Set("prefix", "/"+base)
	}
	listen := t.protocol + "://" + net.JoinHostPort(host, strconv.Itoa(port))
	var given []string
	for _, name := range []string{"cert", "key", "prefix", "public", "secret-file"} {
		if options.Has(name) {
			given = append(given, name+"="+url.QueryEscape(options.Get(name)))
		}
	}
	if slices.Sort(given); len(given) > 0 {
		listen += "?" + strings.Join(given, "&")
	}
	return listen, nil
}
