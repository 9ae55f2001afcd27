package deploy

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

func h2oServers() []Server {
	const noSend = "its X-Reproxy-URL names what another server answers"
	fcgi := Way{Name: "fastcgi", Title: "FastCGI", Protocol: "fcgi", Template: "h2o.tmpl", Config: "h2o/fastcgi.conf", Check: checkH2O, NoSend: noSend}
	http := Way{Name: "http", Title: "HTTP", Protocol: "http", Silent: true, Template: "h2o.tmpl", Config: "h2o/http.conf", Check: checkH2O, NoSend: noSend,
		NoAuth: "H2O 2.2 cannot add a header to the request it passes on: give --way fastcgi"}
	return []Server{{Name: "h2o", Title: "H2O 2.2", Ways: []Way{fcgi, http}}}
}

// checkH2O refuses what H2O has no means for.
func checkH2O(o Options) error {
	if o.Way == "http" && strings.ContainsAny(o.RunDir+o.Listen, "[]") {
		return fmt.Errorf("H2O cannot find a socket with brackets in its path: choose another --run-dir")
	}
	return nil
}

// quoteYAML writes a string as JSON has it, which YAML 1.2 and libyaml read.
func quoteYAML(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

// quoteRuby writes a string of Ruby without interpolation.
func quoteRuby(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// H2OTarget is where requests of a mount are passed on by HTTP.
func (m mount) H2OTarget() string {
	at := m.Socket.HostPort()
	if m.Socket.Path != "" {
		at = "[unix:" + m.Socket.Path + "]"
	}
	return "http://" + at + (&url.URL{Path: m.Root()}).EscapedPath()
}
