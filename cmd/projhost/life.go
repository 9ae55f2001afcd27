package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"projhost/dispatch"
	"projhost/envs"
	"projhost/front"
	"projhost/front/wire"
	"projhost/life"
)

// sameStop is how long after a signal to end another one means the same: a
// terminal sends SIGINT to a whole group of processes, and one of them may
// pass on to its children what they have had already.
const sameStop = 500 * time.Millisecond

// untilTold returns a context that SIGTERM or SIGINT ends; a second one ends
// the process at once. Who is done calls stop.
func untilTold() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
			return
		}
		first := time.Now()
		cancel()
		for range signals {
			if time.Since(first) > sameStop {
				os.Exit(exitFailure)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
	}
}

// lifeFlags are about the process, not about what it serves.
type lifeFlags struct {
	logFile  string
	pidFile  string
	handover time.Duration
}

func (l *lifeFlags) flags(fs *pflag.FlagSet) {
	fs.StringVar(&l.logFile, "log-file", "", "append the log to this file instead of stderr; SIGUSR1 and SIGHUP open it anew")
	fs.StringVar(&l.pidFile, "pid-file", "", "write the number of the process to this file")
	fs.DurationVar(&l.handover, "handover-timeout", life.DefaultHandover, "how long the new process may take to be ready that SIGUSR2 starts")
}

// openLog returns where the log goes, and the file if it is one.
func (l *lifeFlags) openLog(stderr io.Writer) (io.Writer, *life.LogFile, error) {
	if l.logFile == "" {
		return stderr, nil, nil
	}
	file, err := life.OpenLog(l.logFile)
	if err != nil {
		return nil, nil, failed(fmt.Errorf("--log-file: %w", err))
	}
	return file, file, nil
}

// inheritedListener is where a web server listens for its FastCGI program:
// descriptor 0 (FastCGI 1.0 section 2.2).
const inheritedListener = "fcgi+fd:0"

// addresses are the listeners that were asked for. If none was, it is the
// socket that a web server or spawn-fcgi has made the standard input, else
// defaultListen.
func addresses(listen []string, former []front.Passed, log *slog.Logger) []string {
	if len(listen) > 0 {
		return listen
	}
	spawned, err := front.Listens(0)
	switch {
	case spawned || front.PassedFor(inheritedListener, former):
		log.Info("the standard input is a listening socket and there is no --listen: serving FastCGI on it", "listener", inheritedListener)
		return []string{inheritedListener}
	case err != nil:
		log.Warn("the standard input is a socket, but not a listening one; it is left alone", "error", err)
	}
	return []string{defaultListen}
}

// process is the life of a server's process.
func (f *hostFlags) process(listen []string, host *dispatch.Host, r *envs.Registry, reload []life.Step, heir *life.Heir, file *life.LogFile, log *slog.Logger) *life.Process {
	program, err := life.Self(os.Args, os.Environ())
	if err != nil {
		log.Warn("SIGUSR2 cannot start a new process", "error", err)
	}
	return life.New(life.Options{
		Log: log, LogFile: file, Reopen: r.ReopenLogs, PIDFile: f.life.pidFile, Reload: reload,
		Probe: host.Probe, Draining: func() { host.SetReady(false) }, EndTime: cmp.Or(f.limits.drain, wire.DefaultDrainTimeout) + closeTime + drainSlack,
		Spawned: slices.ContainsFunc(listen, func(s string) bool { return strings.Contains(s, "+fd:0") }),
		Program: program, Heir: heir, Handover: f.life.handover,
	})
}

// drainSlack is what ending takes besides the requests and the environments.
const drainSlack = 5 * time.Second

// reloads are what SIGHUP does besides opening the log file anew. What is read
// from files at start joins here; projects' own files are noticed by themselves.
func reloads(r *envs.Registry, p places, more []life.Step) []life.Step {
	if len(p.parents) == 0 {
		return more
	}
	return append([]life.Step{{Name: "projects", Do: func(ctx context.Context) (string, error) {
		n, err := p.list(ctx, r)
		return fmt.Sprintf("found %d", n), err
	}}}, more...)
}
