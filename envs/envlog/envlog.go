// Package envlog writes an environment's own log, where and how its trac.ini says
// in [logging] (Trac 1.6: TracLogging). What cannot be written is told once in the
// host's log, which has all the lines as well; nobody waits for it.
package envlog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// critical is the level of CRITICAL; slog has none so high.
const critical = slog.LevelError + 4

// Logs are what the logs of a host's environments have in common.
type Logs struct {
	stderr io.Writer
	syslog string
	lost   atomic.Uint64
}

// New returns logs. What log_type stderr names is stderr; nil if the host's own
// log goes there, so that nothing is there twice. The path of syslog's socket is
// syslog; "" is /dev/log.
func New(stderr io.Writer, syslog string) *Logs {
	if syslog == "" {
		syslog = "/dev/log"
	}
	return &Logs{stderr: stderr, syslog: syslog}
}

// Lost is how many lines could not be written. A nil Logs has lost none.
func (l *Logs) Lost() uint64 {
	if l == nil {
		return 0
	}
	return l.lost.Load()
}

// Settings are what an environment's trac.ini says, and whose it is. Options of
// choices are in the registered spelling.
type Settings struct {
	Dir, Project              string // the environment's directory and title
	Type, File, Level, Format string // [logging] log_…
}

// output is where lines go.
type output interface {
	// write writes a line without its end; it does not wait long.
	write(level slog.Level, line []byte) error
	// close lets go of everything; the next write begins anew.
	close()
}

// Log is the log of one environment.
type Log struct {
	logs   *Logs
	host   *slog.Logger
	level  slog.Level
	format *format
	out    output // nil: there is none

	mu     sync.Mutex
	text   []byte // what the text handler wrote, see tee.own
	line   []byte
	closed bool
	failed bool
	retry  time.Time // when to try again after a failure
}

// Open returns the log of an environment. It opens no file: the first line does.
// What of the settings cannot be used is told to host, the environment's logger
// without a log of its own. A nil Logs writes nowhere.
func (l *Logs) Open(s Settings, host *slog.Logger) *Log {
	log := &Log{logs: l, host: host, level: levelOf(s.Level)}
	if l == nil {
		return log
	}
	switch s.Type {
	case "none":
		return log
	case "file":
		log.out = &file{path: filepath.Join(s.Dir, "log", s.File), env: s.Dir}
		if filepath.IsAbs(s.File) {
			log.out = &file{path: s.File, env: s.Dir}
		}
	case "stderr":
		if l.stderr == nil {
			return log
		}
		log.out = stream{l.stderr}
	case "syslog", "unix":
		log.out = &syslog{path: l.syslog}
	default:
		host.Warn("[logging] log_type is for Windows; the lines are in the host's log alone", "log_type", s.Type)
		return log
	}
	var err error
	if log.format, err = newFormat(s); err != nil {
		host.Warn("[logging] log_format cannot be used; the standard one is", "error", err)
	}
	return log
}

// levelOf is the least level that is written.
func levelOf(name string) slog.Level {
	switch name {
	case "CRITICAL":
		return critical
	case "ERROR":
		return slog.LevelError
	case "WARNING", "WARN":
		return slog.LevelWarn
	case "DEBUG", "ALL":
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// Logger writes to the host's log and to this one.
func (l *Log) Logger() *slog.Logger {
	if l.out == nil {
		return l.host
	}
	return slog.New(tee{host: l.host.Handler(), log: l, attrs: slog.NewTextHandler((*collected)(l), &slog.HandlerOptions{ReplaceAttr: onlyAttrs})})
}

// Reopen has the next line open the file anew: it may have been moved away.
func (l *Log) Reopen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out != nil {
		l.out.close()
		l.retry = time.Time{}
	}
}

// Close closes the file; what is logged from here on goes to the host's log alone.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed = true; l.out != nil {
		l.out.close()
	}
}

// tee is the handler that writes to both logs.
type tee struct {
	host  slog.Handler
	log   *Log
	attrs slog.Handler // writes a record's attributes to log.text
}

var _ slog.Handler = tee{}

// Enabled implements [slog.Handler].
func (t tee) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= t.log.level || t.host.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (t tee) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= t.log.level {
		t.own(ctx, r.Clone())
	}
	if !t.host.Enabled(ctx, r.Level) {
		return nil
	}
	return t.host.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (t tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tee{t.host.WithAttrs(attrs), t.log, t.attrs.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (t tee) WithGroup(name string) slog.Handler {
	return tee{t.host.WithGroup(name), t.log, t.attrs.WithGroup(name)}
}

// collected takes what the text handler makes of attributes.
type collected Log

// Write implements [io.Writer]; the log's mutex is held.
func (c *collected) Write(p []byte) (int, error) {
	c.text = append(c.text, p...)
	return len(p), nil
}

// onlyAttrs leaves out of a text handler's line what the format writes.
func onlyAttrs(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// Bounds of what is written.
const (
	maxLine    = 64 << 10         // bytes
	retryAfter = 10 * time.Second // after a failure
)

// own writes a record to the environment's own log.
func (t tee) own(ctx context.Context, r slog.Record) {
	l := t.log
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return
	case l.failed && time.Now().Before(l.retry):
		l.logs.lost.Add(1)
		return
	}
	l.text = l.text[:0]
	_ = t.attrs.Handle(ctx, r) // collected never fails
	l.line = l.format.append(l.line[:0], r, l.text)
	err := l.out.write(r.Level, oneLine(l.line))
	if cap(l.line) > maxLine {
		l.line, l.text = nil, nil
	}
	switch {
	case err != nil:
		l.logs.lost.Add(1)
		l.retry = time.Now().Add(retryAfter)
		if !l.failed {
			l.host.Warn("the environment's own log cannot be written; the host's log has all its lines", "error", err)
		}
	case l.failed:
		l.host.Info("the environment's own log is written again")
	}
	l.failed = err != nil
}

// stream is a writer that has many writers.
type stream struct{ w io.Writer }

func (s stream) write(_ slog.Level, line []byte) error {
	if _, err := s.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing to standard error: %w", err)
	}
	return nil
}

func (s stream) close() {}
