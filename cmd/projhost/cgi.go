package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"projhost/dispatch"
	"projhost/front/cgi"
	"projhost/front/wire"
)

func cgiCommand() *cobra.Command {
	var f hostFlags
	c := &cobra.Command{
		Use:   "cgi",
		Short: "Answer one request of a web server that runs this as a CGI program",
		Long: `Cgi answers the one request that a web server has started it for: the variables
are in its environment, the body is its standard input, the answer its standard
output (CGI/1.1, RFC 3875). A CGI program is a script of two lines:

  #!/bin/sh
  exec projhost cgi --env /srv/trac/project

TRAC_ENV, TRAC_ENV_PARENT_DIR and the like may be set by the web server instead
(SetEnv of Apache, setenv.add-environment of lighttpd). Do not pass "$@" on: a
web server puts words of the query there. Every request opens the environment
anew; prefer "projhost serve" behind FastCGI or SCGI where there is a choice.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.cgi(c.Context(), c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fs := c.Flags()
	f.where(fs)
	f.bounds(fs)
	f.limits.maxBody = wire.DefaultMaxBody
	fs.Var(&f.limits.maxBody, "max-body", "bytes of a request body, as 64MB")
	f.logs(fs, "warn")
	f.watch.slowFlag(fs)
	return c
}

// cgi answers one request.
func (f *hostFlags) cgi(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	if os.Getenv("REQUEST_METHOD") == "" {
		return errors.New(`cgi is run by a web server, for one request; there is none (REQUEST_METHOD is not set). To serve by hand, use "projhost serve"`)
	}
	// A web server that has given up closes the standard output; that is an
	// error of writing here, so that environments are closed in order.
	signal.Ignore(syscall.SIGPIPE)
	h, end, err := f.cgiHandler(ctx, stderr)
	if err != nil {
		// Without an answer the visitor is told of "premature end of headers".
		h = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		})
	}
	cfg := wire.Config{Handler: h, Limits: wire.Limits{MaxBody: int64(f.limits.maxBody)}, Log: slog.New(slog.NewTextHandler(stderr, nil))}
	cfg.Listener.Name = "cgi"
	serr := cgi.Serve(ctx, cfg, os.Environ(), stdin, stdout)
	if end != nil {
		err = errors.Join(err, end())
	}
	return failed(errors.Join(err, serr))
}

// cgiHandler makes the host, and what closes it again.
func (f *hostFlags) cgiHandler(ctx context.Context, stderr io.Writer) (http.Handler, func() error, error) {
	if args := os.Args[1:]; fromQuery(os.Getenv("QUERY_STRING"), args) {
		return nil, nil, fmt.Errorf("the command line %q is the query of the request: run this by a script that does not pass \"$@\" on", args)
	}
	log, err := f.logger(stderr)
	if err != nil {
		return nil, nil, err
	}
	settings, err := f.settings()
	if err != nil {
		return nil, nil, err
	}
	roots, err := f.allowedRoots(settings)
	if err != nil {
		return nil, nil, err
	}
	if len(roots) == 0 {
		return nil, nil, errors.New("nothing to serve: give --env or --env-parent-dir, or have the web server set TRAC_ENV or TRAC_ENV_PARENT_DIR")
	}
	doctorKey, err := key(doctorKeyFlag, f.doctorKeyFile)
	if err != nil {
		return nil, nil, err
	}
	r := f.registry(roots, f.life.envLogs(stderr), log)
	end := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		return r.Close(ctx)
	}
	return newHost(dispatch.Options{Registry: r, Settings: settings, Roots: roots, DoctorKey: doctorKey, Slow: f.watch.slow, Log: log}), end, nil
}

// fromQuery tells whether the last arguments are words of the query: a web
// server passes a query without "=" on the command line (RFC 3875 section 4.4),
// where a visitor could choose flags (CVE-2012-1823).
func fromQuery(query string, args []string) bool {
	if query == "" || strings.Contains(query, "=") {
		return false
	}
	words := strings.Split(query, "+")
	if len(words) > len(args) {
		return false
	}
	for i, w := range words {
		u, err := url.PathUnescape(w)
		if err != nil {
			return false
		}
		words[i] = u
	}
	return slices.Equal(words, args[len(args)-len(words):])
}
