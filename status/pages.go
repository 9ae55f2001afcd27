package status

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"projhost/front/gateway"
	"projhost/templates"
)

// Names of the pages, below [gateway.OwnPrefix].
const (
	PageName = "status"
	JSONName = "status.json"
)

// Pages are the status page and its JSON. Whoever may see them is asked for the
// key before.
type Pages struct {
	Source *Source
	Log    *slog.Logger // told what was done by whom
	Leave  string       // page below [gateway.OwnPrefix] that forgets the key; "" without a key
}

// Handlers are the pages by name.
func (p *Pages) Handlers() map[string]http.Handler {
	return map[string]http.Handler{PageName: http.HandlerFunc(p.page), JSONName: http.HandlerFunc(p.json)}
}

// json answers with the rows that are asked for, all pages of them.
func (p *Pages) json(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	rep := p.Source.Report(r.Context())
	v := r.URL.Query()
	q := Query{Text: v.Get("q"), State: v.Get("state"), Database: v.Get("database"), Sort: v.Get("sort")}
	var err error
	if rep.Environments, err = q.Select(rep.Environments); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var buf bytes.Buffer
	if err := json.NewEncoder(&buf).Encode(rep); err != nil {
		p.failed(w, err)
		return
	}
	p.send(w, r, "application/json", &buf)
}

// page shows one page of the rows that are asked for. A POST does something to
// the environments that were chosen on it first.
func (p *Pages) page(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	q := parseQuery(r.URL.Query())
	base := gateway.FromContext(r.Context()).Script() + gateway.OwnPrefix
	page := templates.StatusPage{Action: base + PageName, Same: address(base+PageName, q.Values())}
	if r.Method == http.MethodPost {
		page.Done, page.Not = p.act(w, r)
	}
	rep := p.Source.Report(r.Context())
	databases := kinds(rep.Environments)
	rows, err := q.Select(rep.Environments)
	if err != nil {
		p.failed(w, err)
		return
	}
	if p.Leave != "" {
		page.Leave = base + p.Leave
	}
	one := q
	one.Page = 1
	page.JSON = address(base+JSONName, one.Values())
	layOut(&page, q, &rep.Host, rows, databases)
	var buf bytes.Buffer
	buf.Grow(96 << 10)
	if err := templates.Status(&page).Render(r.Context(), &buf); err != nil {
		p.failed(w, err)
		return
	}
	w.Header().Set("Content-Security-Policy", templates.HostPolicy())
	p.send(w, r, "text/html; charset=utf-8", &buf)
}

// allowed answers for methods that a page does not have.
func allowed(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	for _, m := range methods {
		w.Header().Add("Allow", m)
	}
	http.Error(w, "This address cannot be used in this way.", http.StatusMethodNotAllowed)
	return false
}

func (p *Pages) failed(w http.ResponseWriter, err error) {
	p.Log.Error("administration: the status cannot be shown", "error", err)
	http.Error(w, "The status cannot be shown. The log says why.", http.StatusInternalServerError)
}

func (p *Pages) send(w http.ResponseWriter, r *http.Request, kind string, buf *bytes.Buffer) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(buf.Bytes()) // the client is gone if this fails
	}
}

func address(path string, v url.Values) string {
	u := url.URL{Path: path, RawQuery: v.Encode()}
	return u.String()
}
