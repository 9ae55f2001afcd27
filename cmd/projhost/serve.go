package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"projhost/dispatch"
	"projhost/front"
	"projhost/front/wire"
	"projhost/life"
	"projhost/watch"
)

// defaultListen is where a server listens that is told nothing.
const defaultListen = "http://127.0.0.1:8000"

// closeTime is what closing the environments may take after the last request.
const closeTime = 5 * time.Second

func serveCommand() *cobra.Command {
	var f hostFlags
	var listen []string
	c := &cobra.Command{
		Use:   "serve [ENV...]",
		Short: "Serve environments until told to stop",
		Long: `Serve answers requests on every --listen address. A listener is a URL:

  fcgi+unix:/run/projhost.sock?mode=0660&owner=www-data&group=www-data
  fcgi://127.0.0.1:9000        FastCGI over TCP; loopback only, unless ?public=1
  fcgi+fd:0                    an inherited socket (spawn-fcgi, mod_fcgid)
  fcgi+systemd:NAME            a socket of systemd's, by its FileDescriptorName
  http://127.0.0.1:8000        HTTP; ?trust=CIDR believes X-Forwarded-* of these peers
  http+unix:/run/projhost.sock

Each may name its own environments with ?env=DIR or ?env-parent-dir=DIR. Without
any of these, the directories ENV are served, each by its name.

SIGTERM, SIGINT  let running requests end, then end; a second one ends at once
SIGHUP           opens log files anew, reads anew what is read at start
SIGUSR1          opens log files anew
SIGUSR2          hand-over: starts this program's file anew, which may be another
                 version by now, with the same arguments; when the new process is
                 ready, it has the listening sockets, and this one ends like
                 after SIGTERM. If it does not become ready, this one goes on.`,
		RunE: func(c *cobra.Command, args []string) error {
			f.envs = args
			return f.serve(c.Context(), listen, c.ErrOrStderr())
		},
	}
	fs := c.Flags()
	fs.StringArrayVar(&listen, "listen", nil, "address to listen on; repeatable (default: "+inheritedListener+" if the standard input is a listening socket, else "+defaultListen+")")
	f.where(fs)
	f.auth.flags(fs)
	f.bounds(fs)
	f.door.flags(fs)
	f.watch.flags(fs)
	f.limits.flags(fs)
	f.logs(fs, "info")
	f.life.flags(fs)
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
	l.maxBody = wire.DefaultMaxBody
	fs.Var(&l.maxBody, "max-body", "bytes of a request body, as 64MB")
	fs.IntVar(&l.maxConns, "max-conns", wire.DefaultMaxConns, "connections on each listener")
	fs.IntVar(&l.maxRequests, "max-requests", wire.DefaultMaxRequests, "requests at once on each listener")
	fs.DurationVar(&l.header, "header-timeout", wire.DefaultHeaderTimeout, "how long the head of a request may take to arrive")
	fs.DurationVar(&l.idle, "idle-timeout", wire.DefaultIdleTimeout, "how long a kept connection may be silent")
	fs.DurationVar(&l.drain, "drain-timeout", wire.DefaultDrainTimeout, "how long running requests may take to end after SIGTERM")
	fs.DurationVar(&l.request, "request-timeout", dispatch.DefaultRequestTimeout, "how long one request may take")
}

// serve runs the host until ctx ends, or another process has taken over.
func (f *hostFlags) serve(ctx context.Context, listen []string, stderr io.Writer) error {
	heir, err := life.Inherit(os.Getenv)
	if err != nil {
		return failed(err)
	}
	out, file, err := f.life.openLog(stderr)
	if err != nil {
		return err
	}
	if file != nil {
		defer func() { _ = file.Close() }() // every write of it was whole
	}
	log, err := f.logger(out)
	if err != nil {
		return err
	}
	options := f.limits.options(log)
	if heir != nil {
		options.Former = heir.Sockets
	}
	listen = addresses(listen, options.Former, log)
	named, err := namedEnvs(f.envs)
	if err != nil {
		return err
	}
	addrs, settings, roots, err := f.sites(listen, named)
	if err != nil {
		return err
	}
	doctorKey, err := key(doctorKeyFlag, f.doctorKeyFile)
	if err != nil {
		return err
	}
	adminKey, admins, err := f.door.parse()
	if err != nil {
		return err
	}
	places := placesOf(addrs, settings, named)
	r, meter := f.registry(roots, f.life.envLogs(stderr), log), f.watch.meter()
	entry := f.door.door(adminKey, watch.Sources{Registry: r, Traffic: options.Traffic, Version: version}, meter, log)
	host := newHost(dispatch.Options{
		Registry: r, Settings: settings, Envs: named, Roots: roots, RequestTimeout: f.limits.request,
		DoctorKey: doctorKey, Door: entry, Meter: meter, Slow: f.watch.slow, Log: log,
	})
	entrance, err := f.entrance(r, host, listen, settings, named, log)
	if err != nil {
		return errors.Join(err, r.Close(ctx))
	}
	p := f.process(listen, host, r, reloads(r, places, f.door.reload(entry)), heir, file, log)
	options.Open = p.Open
	err = p.Run(ctx, func(ctx context.Context) error {
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		options.Ready = func([]net.Addr) {
			if err := entrance.settle(f.settle); err != nil {
				stop(err)
				return
			}
			// Reads the titles before the first visitor asks for the list of them.
			go func() { _, _ = places.list(ctx, r) }()
			host.SetReady(true)
			if p.Ready(ctx) != nil {
				return // Run tells why
			}
			log.Info("ready", "version", version, "pid", os.Getpid(), "listen", hidden(listen), "roots", roots)
			if f.ready != nil {
				f.ready()
			}
		}
		return errors.Join(front.Serve(ctx, entrance, options, append(addrs, admins...)...), entrance.failure())
	})
	// The requests have ended; what is left is to close their environments.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	err = errors.Join(err, r.Close(end))
	log.Info("stopped", "pid", os.Getpid(), "error", err)
	return failed(err)
}

// hidden are addresses without their secrets.
func hidden(listen []string) []string {
	shown := make([]string, len(listen))
	for i, s := range listen {
		shown[i] = front.HideSecret(s)
	}
	return shown
}

// sites reads the addresses and finds out which environments may be served;
// named are those of the command line.
func (f *hostFlags) sites(listen []string, named map[string]string) (addrs []front.Addr, settings map[string]string, roots []string, err error) {
	if settings, err = f.settings(); err != nil {
		return nil, nil, nil, err
	}
	dirs := slices.Collect(maps.Values(named)) // that requests may name
	for _, s := range listen {
		a, err := front.ParseAddr(s)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("--listen %s: %w", front.HideSecret(s), err)
		}
		addrs = append(addrs, a)
		told := a.Settings()
		dirs = append(dirs, told["TRAC_ENV"], told["TRAC_ENV_PARENT_DIR"])
	}
	if roots, err = f.allowedRoots(settings, dirs...); err != nil {
		return nil, nil, nil, err
	}
	if len(roots) == 0 {
		err = fmt.Errorf("nothing to serve: give --env or --env-parent-dir, or --allow-root for a web server that names the environment itself")
	}
	return addrs, settings, roots, err
}

func (l *limitFlags) options(log *slog.Logger) front.Options {
	return front.Options{
		Log: log, Traffic: new(front.Traffic),
		Limits: wire.Limits{
			MaxBody: int64(l.maxBody), MaxConns: l.maxConns, MaxRequests: l.maxRequests,
			HeaderTimeout: l.header, IdleTimeout: l.idle, DrainTimeout: l.drain,
		},
	}
}
