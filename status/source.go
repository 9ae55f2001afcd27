package status

import (
	"context"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"projhost/envs"
	"projhost/watch"
)

// Source is where rows come from: the running server.
type Source struct {
	Registry *envs.Registry
	Meter    *watch.Meter
	Version  string // of the program
	Started  time.Time
}

// Report is status.json.
type Report struct {
	Host         Host   `json:"host"`
	Environments []*Row `json:"environments"` // those that were asked for
}

// Host is how the server is doing.
type Host struct {
	Version      string      `json:"version"`
	Started      time.Time   `json:"started"`
	Known        int         `json:"known"` // environments
	Open         int         `json:"open"`
	Broken       int         `json:"broken"`
	NeedsUpgrade int         `json:"needs_upgrade"`
	Requests     uint64      `json:"requests"`
	Errors       uint64      `json:"errors"`
	Connections  Connections `json:"connections"`
	Memory       uint64      `json:"memory"` // bytes that are resident, see memory
}

// Connections are those to database servers.
type Connections struct {
	Open    int `json:"open"`
	Idle    int `json:"idle"`
	Waiting int `json:"waiting"` // requests, for one
	Limit   int `json:"limit"`

	Listening int `json:"listening"` // to what other processes tell of projects; neither idle nor in use
}

// Report tells of the host and of all environments, in no order.
func (s *Source) Report(ctx context.Context) Report {
	snapshot := s.Registry.Snapshot(ctx)
	rep := Report{Environments: make([]*Row, len(snapshot))}
	for i := range snapshot {
		rep.Environments[i] = liveRow(&snapshot[i], s.Meter.Of(snapshot[i].Dir))
	}
	c, all := s.Registry.Connections(), s.Meter.Host()
	rep.Host = Host{
		Version: s.Version, Started: s.Started, Known: len(snapshot), Open: s.Registry.OpenCount(), Requests: all.Requests, Errors: all.Errors,
		Connections: Connections{Open: c.Open, Idle: c.Idle, Waiting: c.Waiting, Limit: c.Limit, Listening: c.Listening}, Memory: memory(),
	}
	for i := range snapshot {
		if snapshot[i].State == envs.Broken {
			rep.Host.Broken++
		}
		if snapshot[i].OldTables {
			rep.Host.NeedsUpgrade++
		}
	}
	return rep
}

// memory is what the program has in memory, in bytes: as Linux counts it, since
// SQLite's is not among what Go knows of; elsewhere, what Go has.
func memory() uint64 {
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 { // proc(5): size resident …, in pages
			if pages, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
				return pages * uint64(os.Getpagesize())
			}
		}
	}
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
