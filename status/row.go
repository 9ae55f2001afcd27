// Package status tells administrators how the environments of a host are doing:
// the same rows for the page, for its JSON and for the list command.
package status

import (
	"strings"
	"time"

	"projhost/envs"
	"projhost/watch"
)

// Row is what is told of an environment. Times are seconds, sizes are bytes.
type Row struct {
	Name         string `json:"name"`
	Path         string `json:"path"`
	Database     string `json:"database,omitempty"` // sqlite, postgres
	Pool         string `json:"pool,omitempty"`     // which file, or which connections; see envs.Info
	Version      int    `json:"version,omitempty"`  // of the tables
	NeedsUpgrade bool   `json:"needs_upgrade"`      // they are of an older Trac
	State        string `json:"state"`              // open, closed, read-only, broken
	ReadOnlyBy   string `json:"read_only_by,omitempty"`
	Title        string `json:"title"`
	Description  string `json:"description,omitempty"`
	Reason       string `json:"reason,omitempty"` // why it is broken

	Retry   *time.Time `json:"retry,omitempty"`   // when one that is broken is tried again
	Stale   string     `json:"stale,omitempty"`   // why its changed settings are not in force
	Trouble string     `json:"trouble,omitempty"` // why it is open and lets nobody in

	Size *Size `json:"size,omitempty"` // absent if it is not known yet
	Use  *Use  `json:"use,omitempty"`  // absent if no running server tells

	folded string // Title in small letters
}

// Size is what an environment takes up.
type Size struct {
	Database    int64     `json:"database"`
	Attachments int64     `json:"attachments"`
	Measured    time.Time `json:"measured"`
}

// Total is all of it.
func (s *Size) Total() int64 { return s.Database + s.Attachments }

// Use is what a running server has counted since its start.
type Use struct {
	Running  int        `json:"running"` // requests in it now
	Waiting  int        `json:"waiting"` // for their turn
	Requests uint64     `json:"requests"`
	Errors   uint64     `json:"errors"`  // answered 5xx
	Refused  uint64     `json:"refused"` // answered 4xx
	Bytes    uint64     `json:"bytes"`
	Mean     float64    `json:"mean_seconds"`
	P50      float64    `json:"p50_seconds"`
	P95      float64    `json:"p95_seconds"`
	Last     *time.Time `json:"last,omitempty"` // end of the last request
}

// NewRow is what is known of an environment without a server's figures.
func NewRow(i envs.Info, size envs.Size) *Row {
	r := &Row{
		Name: i.Name, Path: i.Dir, Database: i.Database, Pool: i.Pool, Version: i.Version, NeedsUpgrade: i.OldTables,
		State: string(i.State), ReadOnlyBy: string(i.ReadOnlyBy), Title: i.Title, Description: i.Description, Reason: i.Reason,
		folded: strings.ToLower(i.Title),
	}
	if !size.At.IsZero() {
		r.Size = &Size{size.Database, size.Attachments, size.At}
	}
	return r
}

// liveRow is what a running server knows of an environment.
func liveRow(s *envs.Status, f watch.Figures) *Row {
	r := NewRow(s.Info, s.Size)
	r.Retry, r.Stale, r.Trouble = moment(s.Retry), s.Stale, s.Trouble
	r.Use = &Use{
		Running: s.Running, Waiting: s.Waiting, Requests: f.Requests, Errors: f.Errors, Refused: f.Refused, Bytes: f.Bytes,
		Mean: f.Mean.Seconds(), P50: f.P50.Seconds(), P95: f.P95.Seconds(), Last: moment(f.Last),
	}
	return r
}

// moment is nil for no moment.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
