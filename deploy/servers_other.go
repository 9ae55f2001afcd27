package deploy

import (
	"fmt"
	"strings"
)

// Servers that Debian does not have: their configuration follows their
// documentation and is not run by the tests.

func cherokeeServers() []Server {
	var ways []Way
	for _, w := range []Way{
		{Name: "scgi", Title: "SCGI, started by Cherokee", Protocol: "scgi"},
		{Name: "fastcgi", Title: "FastCGI, started by Cherokee", Protocol: "fcgi"},
	} {
		w.Template, w.Config, w.Check = "cherokee.conf.tmpl", "cherokee/"+w.Name+".conf", checkCherokee
		w.Untested, w.Digest, w.NoTLS = true, true, true
		ways = append(ways, w)
	}
	return []Server{{Name: "cherokee", Title: "Cherokee", Ways: ways}}
}

func litespeedServers() []Server {
	return []Server{{Name: "litespeed", Title: "LiteSpeed, OpenLiteSpeed", Ways: []Way{{
		Name: "fastcgi", Title: "FastCGI external application", Protocol: "fcgi", Silent: true, Untested: true, NoTLS: true,
		Template: "litespeed.conf.tmpl", Config: "litespeed/fastcgi.conf", Check: checkLiteSpeed,
		NoSend: "its X-LiteSpeed-Location is not part of this configuration",
	}}}}
}

// checkCherokee refuses what is lost where there is one value on a line and no
// quotation, and what Cherokee itself cannot do.
func checkCherokee(o Options) error {
	if !plainWord(o.Program) {
		// It looks for the file by the first word of the command, before sh takes quotes away.
		return fmt.Errorf("program %q: Cherokee starts none with blanks, quotes or the like in its path", o.Program)
	}
	all := map[string]string{
		"directory": o.Dir, "password file": o.Auth.File, "realm": o.Auth.Realm, "run directory": o.RunDir, "listen": o.Listen,
	}
	for _, m := range o.Mounts {
		all["mount "+m.Path] = m.Path
		all["directory of mount "+m.Path] = m.Env + m.Parent
	}
	for name, value := range all {
		if strings.TrimSpace(value) != value {
			return fmt.Errorf("%s %q begins or ends with a blank, which this format cannot say", name, value)
		}
	}
	return nil
}

// checkLiteSpeed refuses what would be two words, or a brace.
func checkLiteSpeed(o Options) error {
	all := map[string]string{"directory": o.Dir, "run directory": o.RunDir, "listen": o.Listen, "password file": o.Auth.File}
	for _, m := range o.Mounts {
		all["mount "+m.Path] = m.Path
	}
	if o.Auth.Kind != AuthNone {
		all["realm"] = o.Auth.Realm
	}
	for name, value := range all {
		if strings.ContainsAny(value, " \t{}\"'`\\#$") {
			return fmt.Errorf("%s %q: LiteSpeed's configuration cannot say blanks, braces, quotes, backslashes, # and $", name, value)
		}
	}
	return nil
}

// Interpreter is what Cherokee starts, as sh takes it.
func (v *view) Interpreter() string {
	args := []string{v.Program, "serve"}
	for _, l := range v.listeners() {
		args = append(args, "--listen", l)
	}
	return quoteWords(append(args, v.flags()...))
}

// CherokeeRule is the number of one of the mount's rules; the highest is asked first.
func (m mount) CherokeeRule(k int) int { return 1000 + 10*(1+m.N) + k }

// cherokeeRule is a mount and one of its rules.
type cherokeeRule struct {
	mount
	Rule string
}

// CherokeeAt is the mount with the beginning of the keys of one of its rules.
func (m mount) CherokeeAt(k int) cherokeeRule {
	return cherokeeRule{m, fmt.Sprintf("vserver!900!rule!%d", m.CherokeeRule(k))}
}

// LiteSpeedAddress is the mount's listener as LiteSpeed takes it: "uds:/" stands
// before the absolute path of a unix socket.
func (m mount) LiteSpeedAddress() string {
	if m.Socket.Path == "" {
		return m.Socket.HostPort()
	}
	return "uds:/" + m.Socket.Path
}

// LiteSpeedLogin is LoginRegex as the address of a context.
func (m mount) LiteSpeedLogin() string { return "exp:" + m.LoginRegex() }
