package dispatch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"projhost/doctor"
	"projhost/front/gateway"
	"projhost/internal/fault"
	"projhost/templates"
)

// Bounds of what the doctor does.
const (
	maxEcho     = 32 << 20                // bytes of a body that is sent back
	maxDownload = 1 << 30                 // bytes of a download
	maxSlow     = 30 * time.Second        // of an answer that waits to be given up
	slowPause   = 20 * time.Millisecond   // between two pieces of it
	slowPiece   = 1 << 10                 // bytes
	maxKeyForm  = 4 << 10                 // bytes of the form that asks for the key
	echoType    = "X-Doctor-Content-Type" // what the type of an echoed body was
)

// consult answers a request that is for the doctor, and returns false for all
// others: without a key, and with a wrong one, there is no doctor.
func (h *Host) consult(ctx context.Context, t *trace, r *http.Request) (bool, error) {
	if h.options.DoctorKey == "" {
		return false, nil
	}
	own := strings.HasPrefix(r.URL.Path, doctor.PathPage)
	switch key := r.Header.Get(doctor.Header); {
	case key == "" && r.URL.Path == doctor.PathPage:
		return true, h.doctorPage(ctx, t, r)
	case !h.isDoctorKey(key):
		return false, nil
	case !own || r.URL.Path == doctor.PathPage:
		return true, writeReport(t, h.examine(ctx, t, r))
	}
	h.options.Log.Debug("doctor", "id", t.id, "path", r.URL.Path)
	t.Header().Set("Cache-Control", "no-store")
	switch r.URL.Path {
	case doctor.PathEcho:
		return true, echo(t, r)
	case doctor.PathDownload:
		return true, download(t, r)
	case doctor.PathSlow:
		return true, slow(ctx, t)
	}
	return true, fault.New(fault.NotFound, "The doctor has no such page.")
}

// isDoctorKey compares in constant time.
func (h *Host) isDoctorKey(key string) bool {
	a, b := sha256.Sum256([]byte(key)), sha256.Sum256([]byte(h.options.DoctorKey))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// examine reports on r: what arrived, and what serve would make of it.
func (h *Host) examine(ctx context.Context, t *trace, r *http.Request) *doctor.Report {
	rep := doctor.Examine(r, t.id)
	from := h.sources(r)
	rep.Told = from.all()
	path := r.URL.Path
	if path == doctor.PathPage {
		path = "/" // of no project, but whoever asks wants to know about them
	}
	if err := h.examineProject(ctx, from, path, &rep.Project); err != nil {
		rep.Project.Problem = err.Error()
	}
	rep.Advise()
	return rep
}

// examineProject finds and opens the environment as serve does.
func (h *Host) examineProject(ctx context.Context, from sources, path string, p *doctor.Project) error {
	to, err := h.target(from, path)
	if err != nil || to.index {
		return err
	}
	p.Page = to.path
	loc, err := h.options.Registry.Locate(to.lookup)
	if err != nil {
		return err
	}
	env, release, err := h.options.Registry.Acquire(ctx, loc)
	if err != nil {
		return err
	}
	defer release()
	p.Name, p.Dir = env.Name(), env.Path()
	dates, err := from.locale(env.Config())
	p.Locale = dates.Name()
	return err
}

// all lists every setting of every level.
func (s sources) all() []doctor.Told {
	var list []doctor.Told
	for _, what := range allSettings() {
		used := true
		for l := range levels {
			value, err := s.at(l, what)
			if err != nil {
				value = err.Error()
			}
			if value == "" {
				continue
			}
			list = append(list, doctor.Told{By: l.String(), Name: what.name, Value: value, Used: used})
			used = false
		}
	}
	return list
}

func writeReport(w http.ResponseWriter, rep *doctor.Report) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(rep) // the client is gone if this fails
	return nil
}

// doctorPage asks for the key, and reports on the very request that brings it.
func (h *Host) doctorPage(ctx context.Context, t *trace, r *http.Request) error {
	page := templates.DoctorPage{Action: gateway.FromContext(r.Context()).Script() + doctor.PathPage}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(t, r.Body, maxKeyForm)
		if !h.isDoctorKey(strings.TrimSpace(r.PostFormValue("key"))) {
			status, page.Problem = http.StatusForbidden, "That is not the key."
			h.options.Log.Warn("doctor: a wrong key", "id", t.id, "remote", r.RemoteAddr)
		} else {
			page.Parts = parts(h.examine(ctx, t, r))
		}
	}
	var buf bytes.Buffer
	if err := templates.Doctor(&page).Render(ctx, &buf); err != nil {
		return err
	}
	header := t.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", templates.HostPolicy())
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(buf.Len()))
	t.WriteHeader(status)
	_, _ = t.Write(buf.Bytes()) // the client is gone if this fails
	return nil
}

// parts lays a report out for the page.
func parts(rep *doctor.Report) []templates.DoctorPart {
	row := func(name, value string) templates.DoctorRow { return templates.DoctorRow{Name: name, Value: value} }
	what := templates.DoctorPart{Title: "What it was understood as", Rows: []templates.DoctorRow{
		row("Address", rep.Scheme+"://"+rep.Host+rep.URI), row("Program at", rep.Script+"/"), row("Rule", rep.Rule),
		row("Path below it", rep.Path), row("Visitor", rep.Remote), row("Login", rep.User), row("Listener", rep.Listener),
		row("Web server", rep.Server), row("Request", rep.ID),
	}}
	found := templates.DoctorPart{Title: "What there is to say"}
	for _, f := range rep.Findings {
		text := f.Text
		if f.Change != "" {
			text += ". To change it: " + f.Change
		}
		found.Rows = append(found.Rows, templates.DoctorRow{Name: f.About, Value: text, Mark: string(f.Weight)})
	}
	told := templates.DoctorPart{Title: "Settings"}
	for _, s := range rep.Told {
		mark := ""
		if !s.Used {
			mark = "not used"
		}
		told.Rows = append(told.Rows, templates.DoctorRow{Name: s.Name, Value: s.Value + ", by " + s.By, Mark: mark})
	}
	sent := templates.DoctorPart{Title: "What the web server sent"}
	for _, v := range rep.Variables {
		sent.Rows = append(sent.Rows, row(v.Name, v.Value))
	}
	return []templates.DoctorPart{found, what, told, sent}
}

// echo answers with the body, once all of it has come: not every way to a web
// server lets an answer begin before that.
func echo(t *trace, r *http.Request) error {
	if r.Method != http.MethodPost {
		t.Header().Set("Allow", "POST")
		return fault.New(fault.Method, "There is nothing to send back: POST something.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(t, r.Body, maxEcho))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return fault.Wrap(fault.TooLarge, "", err)
	case err != nil:
		return fault.Wrap(fault.Invalid, "", fmt.Errorf("reading the body: %w", err))
	}
	header := t.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set(echoType, r.Header.Get("Content-Type"))
	_, _ = t.Write(body) // the client is gone if this fails
	return nil
}

// download answers with ?bytes=N bytes of [doctor.Pattern].
func download(t *trace, r *http.Request) error {
	n, err := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
	if err != nil || n < 0 || n > maxDownload {
		return fault.New(fault.Invalid, fmt.Sprintf("How many bytes? Say ?bytes=N, at most %d.", maxDownload))
	}
	header := t.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.FormatInt(n, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	_, _ = io.Copy(t, doctor.Pattern(n)) // the client is gone if this fails
	return nil
}

// slow writes a piece now and then until the visitor gives up.
func slow(ctx context.Context, t *trace) error {
	ctx, cancel := context.WithTimeout(ctx, maxSlow)
	defer cancel()
	t.Header().Set("Content-Type", "text/plain; charset=utf-8")
	piece := bytes.Repeat([]byte("."), slowPiece)
	flush := http.NewResponseController(t)
	for {
		if _, err := t.Write(piece); err != nil {
			return nil // given up
		}
		if err := flush.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil // given up
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(slowPause):
		}
	}
}
