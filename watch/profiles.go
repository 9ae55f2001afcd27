package watch

import (
	"fmt"
	"io"
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"
)

// How long a profile over time lasts.
const (
	profileTime = 10 * time.Second
	maxProfile  = 60 * time.Second
)

// Profiles answers below prefix, which ends in a slash, as net/http/pprof does
// for "go tool pprof": a list, and profiles by name, "profile" (of the processor)
// and "trace" for ?seconds=, the others as text with ?debug=1. That package
// itself would offer them at http.DefaultServeMux to everybody. Profiles show
// what the process does and parts of its memory: they are for its administrator.
func Profiles(prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, prefix)
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		switch {
		case !ok:
			http.NotFound(w, r)
		case r.Method != http.MethodGet:
			header.Set("Allow", "GET")
			http.Error(w, "only GET", http.StatusMethodNotAllowed)
		case name == "":
			listProfiles(w)
		case name == "profile":
			during(w, r, name, pprof.StartCPUProfile, pprof.StopCPUProfile)
		case name == "trace":
			during(w, r, name, trace.Start, trace.Stop)
		default:
			writeProfile(w, r, name)
		}
	})
}

func listProfiles(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, p := range pprof.Profiles() {
		_, _ = fmt.Fprintf(w, "%s?debug=1\t%d\n", p.Name(), p.Count()) // the client is gone if this fails
	}
	_, _ = fmt.Fprintf(w, "profile?seconds=%[1]d\ntrace?seconds=%[1]d\n", int(profileTime.Seconds()))
}

// writeProfile answers with a profile as it is now.
func writeProfile(w http.ResponseWriter, r *http.Request, name string) {
	p := pprof.Lookup(name)
	if p == nil {
		http.NotFound(w, r)
		return
	}
	debug, _ := strconv.Atoi(r.FormValue("debug")) // what is no number is 0
	if debug > 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		attach(w, name)
	}
	_ = p.WriteTo(w, debug) // the client is gone if this fails
}

// attach says that a file comes.
func attach(w http.ResponseWriter, name string) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

// during answers with what a profile over some seconds sees; there is one of a
// kind at a time.
func during(w http.ResponseWriter, r *http.Request, name string, start func(io.Writer) error, stop func()) {
	seconds, err := strconv.Atoi(r.FormValue("seconds"))
	if err != nil || seconds <= 0 {
		seconds = int(profileTime.Seconds())
	}
	attach(w, name)
	if err := start(w); err != nil {
		w.Header().Del("Content-Disposition")
		http.Error(w, "another one is being made", http.StatusConflict)
		return
	}
	defer stop()
	timer := time.NewTimer(min(time.Duration(seconds)*time.Second, maxProfile))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}
