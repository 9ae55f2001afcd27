// Package doctor finds out what is wrong between a web server and projhost.
//
// Examine says of one request what arrived from the web server, how it was
// understood, and what to change in the configuration. Walk is a visitor: it
// asks a site for everything a project needs (pages, uploads, downloads, logins,
// files, redirects) and says which of it came back as it should. The first runs
// inside the program, the second outside, and reads what the first tells.
package doctor

import (
	"net/http"
	"strings"

	"projhost/front/gateway"
)

// Header is the request header that carries the key; a request that has it is
// answered with its Report instead of a page, whatever its path.
const Header = "X-Projhost-Doctor"

// Paths of the doctor, below the path of the program.
const (
	PathPage     = gateway.OwnPrefix + "doctor"
	PathEcho     = PathPage + "/echo"     // answers a POST with its body
	PathDownload = PathPage + "/download" // ?bytes=N: so many bytes of Pattern
	PathSlow     = PathPage + "/slow"     // writes until it is given up
)

// Pair is a name and a value.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Report is what is known of one request.
type Report struct {
	ID        string    `json:"id"`       // of the request, as in the log
	Listener  string    `json:"listener"` // of projhost that it came by
	Server    string    `json:"server"`   // SERVER_SOFTWARE
	Method    string    `json:"method"`
	Scheme    string    `json:"scheme"`
	Host      string    `json:"host"`
	Remote    string    `json:"remote"`
	URI       string    `json:"uri"`    // as the visitor sent it
	Script    string    `json:"script"` // the path of the program, "" at the root
	Rule      string    `json:"rule"`   // by which Script and Path were told apart
	Path      string    `json:"path"`   // below the program
	Query     string    `json:"query"`
	User      string    `json:"user"`
	AuthType  string    `json:"auth_type"`
	Project   Project   `json:"project"`
	Told      []Told    `json:"told"`
	Findings  []Finding `json:"findings"`
	Variables []Pair    `json:"variables"`
}

// Project is the environment the request leads to.
type Project struct {
	Name    string `json:"name"`
	Dir     string `json:"dir"`
	Page    string `json:"page"`    // the path below the project
	Problem string `json:"problem"` // why there is none
	Locale  string `json:"locale"`  // of dates
}

// Told is a setting and who has told it.
type Told struct {
	By    string `json:"by"` // "the request", "the listener", "the process"
	Name  string `json:"name"`
	Value string `json:"value"`
	Used  bool   `json:"used"` // else a nearer one counts
}

// Weight is how much a finding matters.
type Weight string

// The weights.
const (
	Fine    Weight = "ok"
	Note    Weight = "note"
	Problem Weight = "error"
)

// Finding is something worth knowing.
type Finding struct {
	Weight Weight `json:"weight"`
	About  string `json:"about"`
	Text   string `json:"text"`
	Change string `json:"change,omitempty"` // what to do, if there is something
}

// Examine reports on a request that a front end has made; Project and Told are
// for the caller to fill, who then calls [Report.Advise].
func Examine(r *http.Request, id string) *Report {
	v := gateway.FromContext(r.Context())
	rep := &Report{
		ID: id, Listener: v.Listener(), Server: v.Get("SERVER_SOFTWARE"), Method: r.Method, Scheme: v.Scheme(), Host: r.Host,
		Remote: r.RemoteAddr, URI: r.RequestURI, Script: v.Script(), Rule: v.Rule(), Path: r.URL.Path, Query: r.URL.RawQuery,
		User: v.RemoteUser(), AuthType: v.Get("AUTH_TYPE"),
	}
	for name, value := range v.All() {
		rep.Variables = append(rep.Variables, Pair{name, show(name, value)})
	}
	return rep
}

// maxShown bounds what is repeated of one variable, in bytes.
const maxShown = 2 << 10

// show returns the value of a variable, or that there is one where the value
// is a secret.
func show(name, value string) string {
	switch name {
	case "HTTP_AUTHORIZATION":
		kind, _, _ := strings.Cut(value, " ")
		return kind + " (not shown)"
	case "HTTP_COOKIE", "HTTP_PROXY_AUTHORIZATION", "HTTP_X_PROJHOST_DOCTOR":
		return "(not shown)"
	}
	if len(value) > maxShown {
		return value[:maxShown] + "…"
	}
	return value
}

// variable returns a variable as it is shown, and whether it was sent.
func (r *Report) variable(name string) (string, bool) {
	for _, p := range r.Variables {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

func (r *Report) find(w Weight, about, text, change string) {
	r.Findings = append(r.Findings, Finding{w, about, text, change})
}
