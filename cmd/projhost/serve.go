package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"projhost/dispatch"
	"projhost/front"
)

// defaultListen is where a server listens that is told nothing.
const defaultListen = "http://127.0.0.1:8000"

// closeTime is what closing the environments may take after the last request.
const closeTime = 5 * time.Second

func serveCommand() *cobra.Command {
	var f hostFlags
	var listen []string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve environments until told to stop",
		Long: `Serve answers requests on every --listen address. A listener is a URL:

  fcgi+unix:/run/projhost.sock?mode=0660&owner=www-data&group=www-data
  fcgi://127.0.0.1:9000        FastCGI over TCP; loopback only, unless ?public=1
  fcgi+fd:0                    an inherited socket (spawn-fcgi, mod_fcgid)
  fcgi+systemd:NAME            a socket of systemd's, by its FileDescriptorName
  http://127.0.0.1:8000        HTTP; ?trust=CIDR believes X-Forwarded-* of these peers
  http+unix:/run/projhost.sock

Each may name its own environments with ?env=DIR or ?env-parent-dir=DIR. SIGTERM
and Ctrl-C let running requests end first.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.serve(c.Context(), listen, c.ErrOrStderr())
		},
	}
	fs := c.Flags()
	fs.StringArrayVar(&listen, "listen", []string{defaultListen}, "address to listen on; repeatable")
	f.where(fs)
	f.bounds(fs)
	f.limits.flags(fs)
	f.logs(fs, "info")
	return c
}

// limitFlags bound what front ends take.
type limitFlags struct {
	maxBody     bytesValue
	maxConns    int
	maxRequests int
	header      time.Duration
	idle        time.Duration
	drain       time.Duration
	request     time.Duration
}

func (l *limitFlags) flags(fs *pflag.FlagSet) {
	l.maxBody = front.DefaultMaxBody
	fs.Var(&l.maxBody, "max-body", "bytes of a request body, as 64MB")
	fs.IntVar(&l.maxConns, "max-conns", front.DefaultMaxConns, "connections on each listener")
	fs.IntVar(&l.maxRequests, "max-requests", front.DefaultMaxRequests, "requests at once on each listener")
	fs.DurationVar(&l.header, "header-timeout", front.DefaultHeaderTimeout, "how long the head of a request may take to arrive")
	fs.DurationVar(&l.idle, "idle-timeout", front.DefaultIdleTimeout, "how long a kept connection may be silent")
	fs.DurationVar(&l.drain, "drain-timeout", front.DefaultDrainTimeout, "how long running requests may take to end after SIGTERM")
	fs.DurationVar(&l.request, "request-timeout", dispatch.DefaultRequestTimeout, "how long one request may take")
}

// serve runs the host until ctx ends.
func (f *hostFlags) serve(ctx context.Context, listen []string, stderr io.Writer) error {
	log, err := f.logger(stderr)
	if err != nil {
		return err
	}
	settings, err := f.settings()
	if err != nil {
		return err
	}
	addrs := make([]front.Addr, len(listen))
	var named []string
	for i, s := range listen {
		if addrs[i], err = front.ParseAddr(s); err != nil {
			return fmt.Errorf("--listen %s: %w", s, err)
		}
		told := addrs[i].Settings()
		named = append(named, told["TRAC_ENV"], told["TRAC_ENV_PARENT_DIR"])
	}
	roots, err := f.allowedRoots(settings, named...)
	if err != nil {
		return err
	}
	if len(roots) == 0 {
		return fmt.Errorf("nothing to serve: give --env or --env-parent-dir, or --allow-root for a web server that names the environment itself")
	}
	key, err := f.doctorKey()
	if err != nil {
		return err
	}
	r := f.registry(roots, log)
	if parent := settings["TRAC_ENV_PARENT_DIR"]; parent != "" {
		// Reads the titles before the first visitor asks for the list of them.
		go func() { _, _ = r.List(ctx, parent) }()
	}
	host := newHost(r, settings, roots, f.limits.request, key, log)
	options := f.limits.options(log)
	options.Ready = func([]net.Addr) {
		log.Info("ready", "version", version, "listen", listen, "roots", roots)
		if f.ready != nil {
			f.ready()
		}
	}
	err = front.Serve(ctx, host, options, addrs...)
	// The requests have ended; what is left is to close their environments.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	err = errors.Join(err, r.Close(end))
	log.Info("stopped", "error", err)
	return failed(err)
}

func (l *limitFlags) options(log *slog.Logger) front.Options {
	return front.Options{
		Log: log, MaxBody: int64(l.maxBody), MaxConns: l.maxConns, MaxRequests: l.maxRequests,
		HeaderTimeout: l.header, IdleTimeout: l.idle, DrainTimeout: l.drain,
	}
}
