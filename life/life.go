// Package life is about the process of a server: the signals it obeys, what it
// tells the service manager, its log file and its pid file, and how a new
// process takes its listening sockets over without losing a request.
//
//	SIGTERM, SIGINT  the end of the context that Run is given: requests end, then the process
//	SIGHUP           reopens log files and reads anew what is read at start, see Step
//	SIGUSR1          reopens log files alone (logrotate)
//	SIGUSR2          starts the program's file anew, hands the sockets over, and ends
package life

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"projhost/front"
)

// Defaults of Options.
const (
	// DefaultHandover is how long a new process may take to be ready.
	DefaultHandover = 30 * time.Second
	// reloadTime is what the steps of a reload may take together.
	reloadTime = 30 * time.Second
)

// Step is something that SIGHUP has done. Do says in a few words what it did,
// "" for nothing; if it fails, everything must be as before.
type Step struct {
	Name string
	Do   func(context.Context) (string, error)
}

// Options say what a process lives by.
type Options struct {
	Log     *slog.Logger // nil: slog.Default()
	LogFile *LogFile     // reopened by SIGUSR1 and SIGHUP; nil: there is none
	Reopen  func()       // has other log files opened anew, likewise; nil: there are none
	PIDFile string       // path of a file with the process's number; "": none
	Reload  []Step       // done in this order by SIGHUP, after the log file and before the certificates

	// Probe fails, or does not return, if the process does not answer requests
	// any more. It is called for the service manager's watchdog.
	Probe func(context.Context) error
	// Draining is called once, when the process begins to end.
	Draining func()
	// EndTime is how long ending may take, for the service manager.
	EndTime time.Duration

	// Spawned tells that a web server, or a program like spawn-fcgi, has
	// started the process with a listening socket for its standard input: then,
	// without a log file, SIGUSR1 ends the process, as is the custom of FastCGI
	// programs.
	Spawned bool

	// Program is what SIGUSR2 starts. Its zero value hands nothing over.
	Program Program
	// Heir is what a former process has left, nil if there was none.
	Heir *Heir
	// Handover is how long a new process may take to be ready; 0 is DefaultHandover.
	Handover time.Duration
}

// Process is the life of this process.
type Process struct {
	o       Options
	notify  notifier
	sockets *front.Sockets
	pidFile *pidFile
	signals chan os.Signal
	ready   chan struct{} // closed when the process is ready
	end     context.CancelCauseFunc
	unready error // why the process could not become ready
}

// errHandedOver ends the serving of a process whose sockets another has.
var errHandedOver = errors.New("handed over to another process")

// New begins to take signals, which until Run wait.
func New(o Options) *Process {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Handover <= 0 {
		o.Handover = DefaultHandover
	}
	p := &Process{o: o, notify: notifier{log: o.Log}, signals: make(chan os.Signal, 8), ready: make(chan struct{})}
	// A broken standard error (the web server that has started this process has
	// ended) is an error of one write, not the end of the process.
	signal.Ignore(syscall.SIGPIPE)
	signal.Notify(p.signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	return p
}

// Open notes the sockets that may be handed over, and whose certificates SIGHUP
// has read again; it is for front.Options.Open.
func (p *Process) Open(s *front.Sockets) { p.sockets = s }

// Ready tells everybody who wants to know that requests are answered: a former
// process, the pid file, the service manager. It is for what Run calls. If it
// fails, Run ends.
func (p *Process) Ready(ctx context.Context) error {
	if p.unready = p.announce(ctx); p.unready != nil {
		p.end(p.unready)
	}
	return p.unready
}

func (p *Process) announce(ctx context.Context) error {
	if p.o.Heir != nil {
		if err := p.o.Heir.succeed(ctx); err != nil {
			return err
		}
		p.sockets.Leave(false)
	}
	if p.o.PIDFile != "" {
		f, err := newPIDFile(p.o.PIDFile, p.o.Heir == nil)
		if err != nil {
			return err
		}
		p.pidFile = f
	}
	p.notify.send("READY=1", "STATUS=Answering requests.", fmt.Sprintf("MAINPID=%d", os.Getpid()))
	close(p.ready)
	return nil
}

// Run calls serve, which is to call Open and Ready, and to end in good order
// when its context does. Meanwhile it does what signals and the service manager
// ask for. It returns what serve does.
func (p *Process) Run(ctx context.Context, serve func(context.Context) error) error {
	var serving context.Context
	serving, p.end = context.WithCancelCause(context.WithoutCancel(ctx))
	defer p.end(nil)
	done := make(chan error, 1)
	go func() { done <- serve(serving) }()
	helpers, stopHelpers := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.watch(helpers)
	}()
	err := p.loop(ctx, done)
	stopHelpers()
	<-watched
	signal.Stop(p.signals)
	p.pidFile.remove()
	if err != nil {
		p.o.Heir.fail(err)
	}
	return err
}

// loop obeys signals until serve has ended.
func (p *Process) loop(ctx context.Context, done <-chan error) error {
	told := ctx.Done()
	ready := p.ready
	var signals chan os.Signal // none are taken before the process is ready
	for {
		select {
		case err := <-done:
			return errors.Join(p.unready, err)
		case <-ready:
			ready, signals = nil, p.signals
		case <-told:
			told, signals = nil, nil
			p.stopping(true)
			p.end(context.Cause(ctx))
		case s := <-signals:
			if !p.obey(ctx, s) {
				continue
			}
			told, signals = nil, nil
			p.stopping(s != syscall.SIGUSR2)
			p.end(errHandedOver)
		}
	}
}

// stopping begins the end. After a hand-over the service manager is not told:
// the service goes on, and this process is no longer the one it watches.
func (p *Process) stopping(tell bool) {
	if p.o.Draining != nil {
		p.o.Draining()
	}
	p.o.Log.Info("letting requests end", "at most", p.o.EndTime)
	if tell {
		p.notify.send("STOPPING=1", "STATUS=Letting requests end.", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", p.o.EndTime.Microseconds()))
	}
}

// obey does what a signal asks for; it returns true if the process is to end.
func (p *Process) obey(ctx context.Context, s os.Signal) (end bool) {
	switch s {
	case syscall.SIGHUP:
		p.reload(ctx)
	case syscall.SIGUSR1:
		switch {
		case p.o.LogFile == nil && p.o.Spawned:
			p.o.Log.Info("SIGUSR1: ending, as FastCGI programs do; there is no log file to reopen")
			return true
		case p.o.LogFile == nil && p.o.Reopen == nil:
			p.o.Log.Info("SIGUSR1: there is no log file to reopen")
		default:
			p.reopenLogs()
		}
	case syscall.SIGUSR2:
		if err := p.handOver(ctx); err != nil {
			p.o.Log.Error("hand-over failed, this process goes on", "error", err)
			return false
		}
		return true
	}
	return false
}

func (p *Process) reopenLogs() {
	if p.o.Reopen != nil {
		p.o.Reopen()
	}
	if p.o.LogFile == nil {
		return
	}
	if err := p.o.LogFile.Reopen(); err != nil {
		p.o.Log.Error("the log file cannot be reopened, the former one is used", "error", err)
		return
	}
	p.o.Log.Info("log file reopened", "file", p.o.LogFile.Path())
}

// reload does what SIGHUP asks for. A step that fails keeps the others from
// nothing.
func (p *Process) reload(ctx context.Context) {
	p.notify.send("RELOADING=1", monotonic(), "STATUS=Reloading.")
	p.reopenLogs()
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	failures := 0
	steps := p.o.Reload
	select {
	case <-p.ready:
		if p.sockets != nil {
			steps = append(slices.Clone(steps), Step{"certificates", p.sockets.Reload})
		}
	default: // they are just being read
	}
	for _, s := range steps {
		did, err := s.Do(ctx)
		switch {
		case err != nil:
			failures++
			p.o.Log.Error("reload failed, what was read before is used", "of", s.Name, "error", err)
		case did != "":
			p.o.Log.Info("reloaded", "what", s.Name, "did", did)
		}
	}
	status := "STATUS=Answering requests."
	if failures > 0 {
		status = fmt.Sprintf("STATUS=Answering requests; %d parts could not be reloaded, see the log.", failures)
	}
	p.o.Log.Info("reload ended", "failures", failures)
	p.notify.send("READY=1", status)
}
