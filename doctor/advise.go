package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"projhost/front/gateway"
)

// Advise adds what there is to say, the worst first.
func (r *Report) Advise() {
	r.aboutProject()
	r.aboutPath()
	r.aboutUser()
	r.aboutScheme()
	r.aboutHost()
	r.aboutForged()
	weights := []Weight{Problem, Note, Fine}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(weights, a.Weight), slices.Index(weights, b.Weight))
	})
}

func (r *Report) aboutProject() {
	switch {
	case r.Project.Problem != "":
		r.find(Problem, "project", r.Project.Problem, "see which of the settings below counts, and by whom it is told")
	case r.Project.Name == "":
		r.find(Fine, "project", "this is the address of the list of projects", "")
	default:
		r.find(Fine, "project", fmt.Sprintf("%s, in %s", r.Project.Name, r.Project.Dir), "")
	}
	for _, t := range r.Told {
		if !t.Used {
			r.find(Note, "settings", fmt.Sprintf("%s=%s, told by %s, does not count: a nearer one does", t.Name, t.Value, t.By), "")
		}
	}
}

func (r *Report) aboutPath() {
	if _, sent := r.variable(gateway.SettingRoot); sent || r.Rule == "root stated" {
		r.find(Fine, "path", fmt.Sprintf("the program is at %s/, as stated by %s or the listener's prefix", r.Script, gateway.SettingRoot), "")
		return
	}
	text := fmt.Sprintf("the program is taken to be at %s/ (rule: %s)", r.Script, r.Rule)
	server := strings.ToLower(r.Server)
	for _, name := range []string{"lighttpd", "caddy", "h2o", "apache", "litespeed"} {
		if strings.HasPrefix(server, name) {
			r.find(Note, "path", text+"; what "+name+" sends has two readings",
				"state it: send the variable "+gateway.SettingRoot+", or add prefix= to the listener")
			return
		}
	}
	r.find(Fine, "path", text, "")
	if _, sent := r.variable("REQUEST_URI"); !sent {
		r.find(Note, "path", "the web server does not send REQUEST_URI, so it is not known what the visitor's address bar shows", "send REQUEST_URI")
	}
}

func (r *Report) aboutUser() {
	auth, sent := r.variable("HTTP_AUTHORIZATION")
	told, _ := r.variable("REMOTE_USER")
	switch {
	case told != "" && r.User == "":
		r.find(Problem, "user", fmt.Sprintf("the web server says REMOTE_USER=%s, which is not believed", told),
			"nginx sends as $remote_user what the visitor claims; send REMOTE_USER from locations with auth_basic only, and AUTH_TYPE Basic with it")
	case r.User != "" && r.AuthType == "":
		r.find(Note, "user", r.User+", but the web server does not say how it knows", "send AUTH_TYPE as well")
	case r.User != "":
		r.find(Fine, "user", fmt.Sprintf("%s, by %s authentication", r.User, r.AuthType), "")
	case sent:
		r.find(Note, "user", fmt.Sprintf("nobody, though the visitor sent a password (%s)", auth),
			"where a login is wanted, have the web server check it and send REMOTE_USER")
	default:
		r.find(Fine, "user", "nobody has logged in", "")
	}
}

func (r *Report) aboutScheme() {
	proto, sent := r.variable("HTTP_X_FORWARDED_PROTO")
	if sent && proto != r.Scheme {
		r.find(Problem, "scheme", fmt.Sprintf("%s, though X-Forwarded-Proto says %s: the peer is not trusted", r.Scheme, proto),
			"add trust= with the proxy's address to the listener")
		return
	}
	r.find(Fine, "scheme", r.Scheme, "")
}

func (r *Report) aboutHost() {
	if r.Host == "" {
		r.find(Note, "host", "the web server sends no HTTP_HOST", "pass the Host header on")
		return
	}
	if told, sent := r.variable("HTTP_X_FORWARDED_HOST"); sent && told != r.Host {
		r.find(Problem, "host", fmt.Sprintf("%s, though X-Forwarded-Host says %s: the peer is not trusted", r.Host, told),
			"pass the Host header on as it is, or add trust= with the proxy's address to the listener")
		return
	}
	r.find(Fine, "host", r.Host, "")
}

// aboutForged names what somebody may have hoped to be believed.
func (r *Report) aboutForged() {
	for _, p := range r.Variables {
		switch {
		case p.Name == "HTTP_REMOTE_USER", p.Name == "HTTP_AUTH_TYPE", strings.HasPrefix(p.Name, "HTTP_TRAC_"):
			r.find(Note, "headers", p.Name+" came from the visitor and is not believed", "")
		}
	}
}
