package life

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// notifier talks to the service manager (sd_notify(3)). Without one it is
// silent.
type notifier struct{ log *slog.Logger }

// send sends lines like "READY=1", all in one message. That it cannot be sent
// is logged, and no reason to end.
func (n notifier) send(lines ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		n.log.Warn("the service manager cannot be told", "what", lines[0], "error", err)
	}
}

// monotonic is what a service manager wants to know with RELOADING=1
// (Type=notify-reload of systemd.service(5)).
func monotonic() string {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return "MONOTONIC_USEC=0"
	}
	return fmt.Sprintf("MONOTONIC_USEC=%d", ts.Nano()/1000)
}

// watch tells the service manager's watchdog (WatchdogSec= of
// systemd.service(5)), at every half of its time, that the process answers: but
// only if it does. A process that does not is restarted.
func (p *Process) watch(ctx context.Context) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		p.o.Log.Warn("the watchdog of the service manager is not served", "error", err)
	}
	if every <= 0 || p.o.Probe == nil {
		return
	}
	select {
	case <-p.ready:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	answers := make(chan error, 1)
	asked := false // a probe is on its way: one at a time, for it may never return
	for {
		if !asked {
			asked = true
			go func() {
				ctx, cancel := context.WithTimeout(ctx, every)
				defer cancel()
				answers <- p.o.Probe(ctx)
			}()
		}
		select {
		case err := <-answers:
			asked = false
			if err == nil {
				p.notify.send("WATCHDOG=1")
			} else if ctx.Err() == nil {
				p.o.Log.Error("the program does not answer itself; the service manager's watchdog is not told that all is well", "error", err)
			}
		case <-tick.C:
			p.o.Log.Error("the program does not answer itself; the service manager's watchdog is not told that all is well", "waited", every/2)
			continue
		case <-ctx.Done():
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
