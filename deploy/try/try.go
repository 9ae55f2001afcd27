// Package try runs a web server with the configuration that deploy has written,
// and projhost behind it, on spare ports and in a directory of their own: for
// "projhost deploy --check" and for the end-to-end tests.
package try

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"projhost/deploy"
)

// How long processes may take.
const (
	startTime = 20 * time.Second
	stopTime  = 30 * time.Second
	pollTime  = 20 * time.Millisecond
)

// ErrNotInstalled is returned if the web server is not on this machine, or is
// one that this package cannot run.
var ErrNotInstalled = errors.New("not installed")

// launch is how one web server is started with a configuration.
type launch struct {
	program string   // as found
	args    []string // in the foreground
	env     []string // in addition to a small environment
	test    []string // arguments that only check the configuration; nil if the program cannot
}

// runner prepares a web server: it writes the main configuration that includes
// the one deploy wrote, into work, and says what to start.
type runner func(s *Site) (launch, error)

// runners are the web servers that can be started, by deploy's names. Each is in
// a file of its own, NAME.go.
func runners() map[string]runner {
	all := map[string]runner{}
	for _, some := range []map[string]runner{
		nginxRunners(),
		caddyRunners(),
		haproxyRunners(),
		h2oRunners(),
		uwsgiRunners(),
		apacheRunners(),
		lighttpdRunners(),
	} {
		maps.Copy(all, some)
	}
	return all
}

// look finds a program, also where only root has it in the PATH.
func look(names ...string) (string, error) {
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
		for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"} {
			if p := filepath.Join(dir, name); isProgram(p) {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("%s: %w", names[0], ErrNotInstalled)
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Site is a web server with projhost behind it. Its methods are for one goroutine.
type Site struct {
	URL     string // "http://127.0.0.1:PORT"
	Options deploy.Options
	Plan    deploy.Planned

	work string // for main configurations, pid files and logs
	web  *process
	host *process // nil if the web server starts projhost
}

// Start writes the plan of o, with o.Address and o.RunDir as they are, starts
// projhost on the plan's listeners and the web server, and returns when both
// accept connections. work is an existing directory for what else they need;
// hostArgs are further arguments of "projhost serve". Stop ends them.
func Start(ctx context.Context, o deploy.Options, work string, hostArgs ...string) (*Site, error) {
	s, l, err := prepare(ctx, o, work)
	if err != nil {
		return nil, err
	}
	if len(s.Plan.Listen) > 0 {
		if err := s.startHost(ctx, hostArgs); err != nil {
			return nil, err
		}
	}
	if s.web, err = start(ctx, l, "tcp", o.Address); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", o.Server, err), s.Stop())
	}
	return s, nil
}

// Check writes the plan of o and lets the web server read it, if it has a way of
// doing only that. It starts nothing.
func Check(ctx context.Context, o deploy.Options, work string) error {
	_, _, err := prepare(ctx, o, work)
	return err
}

// CanRun tells whether Start knows how to run a server.
func CanRun(server string) bool { return runners()[server] != nil }

// prepare writes all that the web server reads, and lets it read that.
func prepare(ctx context.Context, o deploy.Options, work string) (*Site, launch, error) {
	run, ok := runners()[o.Server]
	if !ok {
		return nil, launch{}, fmt.Errorf("%s: %w: cannot be run from here", o.Server, ErrNotInstalled)
	}
	plan, err := deploy.Plan(o)
	if err != nil {
		return nil, launch{}, err
	}
	if _, err := deploy.Write(o.Dir, plan.Files, deploy.WriteOptions{Force: true}); err != nil {
		return nil, launch{}, err
	}
	s := &Site{URL: "http://" + o.Address, Options: o, Plan: plan, work: work}
	if o.TLSCert != "" {
		s.URL = "https://" + o.Address
	}
	l, err := run(s)
	if err != nil {
		return nil, launch{}, err
	}
	return s, l, l.check(ctx)
}

// startHost starts projhost itself.
func (s *Site) startHost(ctx context.Context, more []string) error {
	args := []string{"serve"}
	for _, l := range s.Plan.Listen {
		args = append(args, "--listen", l)
	}
	args = append(append(args, s.Plan.Flags...), more...)
	l := launch{program: s.Options.Program, args: args}
	var err error
	s.host, err = startSaying(ctx, l, "msg=ready")
	return err
}

// Restart stops and starts projhost ("host") or the web server ("web") anew.
func (s *Site) Restart(ctx context.Context, which string) error {
	switch {
	case which == "web":
		if err := s.web.stop(); err != nil {
			return err
		}
		l := s.web.launch
		var err error
		s.web, err = start(ctx, l, "tcp", s.Options.Address)
		return err
	case s.host == nil:
		return nil // the web server's business
	}
	if err := s.host.stop(); err != nil {
		return err
	}
	l := s.host.launch
	var err error
	s.host, err = startSaying(ctx, l, "msg=ready")
	return err
}

// Stop ends the web server, then projhost, and says what went wrong with that.
func (s *Site) Stop() error {
	var errs []error
	for _, p := range []*process{s.web, s.host} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	return errors.Join(errs...)
}

// Log is what both have printed.
func (s *Site) Log() string {
	text := ""
	for _, p := range []*process{s.web, s.host} {
		if p != nil {
			text += filepath.Base(p.launch.program) + ":\n" + p.out.String()
		}
	}
	return text
}

// check lets the program read its configuration, if it can do only that.
func (l launch) check(ctx context.Context) error {
	if l.test == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.program, l.test...) //nolint:gosec // the administrator's own server
	cmd.Env = environment(l)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s refuses its configuration (%w): %s", l.program, err, out)
	}
	return nil
}

// environment is what a server is started with.
func environment(l launch) []string {
	return append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}, l.env...)
}

// process is a running program.
type process struct {
	launch launch
	cmd    *exec.Cmd
	out    output
	exited chan struct{} // closed when it has ended
	err    error         // how; valid then
}

// start runs a program and waits until something accepts connections.
func start(ctx context.Context, l launch, network, address string) (*process, error) {
	return startUntil(ctx, l, func(*process) bool {
		c, err := net.DialTimeout(network, address, time.Second)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// startSaying runs a program and waits until it says something.
func startSaying(ctx context.Context, l launch, text string) (*process, error) {
	return startUntil(ctx, l, func(p *process) bool { return p.out.has(text) })
}

func startUntil(ctx context.Context, l launch, ready func(*process) bool) (*process, error) {
	p := &process{launch: l, cmd: exec.Command(l.program, l.args...), exited: make(chan struct{})} //nolint:gosec // the administrator's own server
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.Env = environment(l)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for !ready(p) {
		select {
		case <-p.exited:
			return nil, fmt.Errorf("%s ended at once (%w) and said:\n%s", l.program, errors.Join(p.err, errors.New("see below")), p.out.String())
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s does not answer and said:\n%s", l.program, p.out.String()), p.stop())
		case <-time.After(pollTime):
		}
	}
	return p, nil
}

// stop asks the program to end, and kills it and what it has started if it does not.
func (p *process) stop() error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopTime):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.exited
		return fmt.Errorf("%s did not end within %v of SIGTERM", p.launch.program, stopTime)
	}
}

// maxOutput bounds what is kept of what a program prints.
const maxOutput = 1 << 20

// output gathers what a process prints, up to maxOutput.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := maxOutput - o.buf.Len(); room > 0 {
		o.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) has(text string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Contains(o.buf.Bytes(), []byte(text))
}
