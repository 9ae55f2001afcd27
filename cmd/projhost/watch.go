package main

import (
	"io"
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"projhost/dispatch"
	"projhost/envs/envlog"
	"projhost/watch"
)

// watchFlags say what of requests is told.
type watchFlags struct {
	slow  time.Duration
	named int
}

func (w *watchFlags) flags(fs *pflag.FlagSet) {
	w.slowFlag(fs)
	fs.IntVar(&w.named, "metrics-envs", watch.DefaultNamed, "environments with metrics of their own, the busiest; the others are counted together")
}

// slowFlag is all there is for a command without pages for administrators.
func (w *watchFlags) slowFlag(fs *pflag.FlagSet) {
	fs.DurationVar(&w.slow, "slow", dispatch.DefaultSlow, "log a warning with where the time went for requests that take so long; 0 logs none")
}

// meter counts requests.
func (w *watchFlags) meter() *watch.Meter {
	named := w.named
	if named <= 0 {
		named = -1 // 0 is the default to the meter
	}
	return watch.NewMeter(watch.Options{Named: named})
}

// watchPages are what administrators see of the process, by path below
// /.projhost/. They are for behind the door alone.
func watchPages(from watch.Sources, meter *watch.Meter) map[string]http.Handler {
	return map[string]http.Handler{
		"metrics":      meter.Handler(from),
		"debug/pprof/": watch.Profiles("/debug/pprof/"),
	}
}

// envLogs are environments' own logs. One on stderr has the host's own log before
// it there, with all its lines, unless that is in a file.
func (l *lifeFlags) envLogs(stderr io.Writer) *envlog.Logs {
	if l.logFile == "" {
		stderr = nil
	}
	return envlog.New(stderr, "")
}
