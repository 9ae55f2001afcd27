package deploy

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// fill checks the options and puts defaults in.
func (o *Options) fill() error {
	if err := o.checkText(); err != nil {
		return err
	}
	for _, f := range []struct {
		name  string
		value *string
		empty bool // it may be
	}{
		{"directory", &o.Dir, false}, {"program", &o.Program, false},
		{"certificate", &o.TLSCert, true}, {"key", &o.TLSKey, true}, {"run directory", &o.RunDir, true}, {"password file", &o.Auth.File, true}, {"key file of the doctor", &o.DoctorKeyFile, true},
	} {
		if f.empty && *f.value == "" {
			continue
		}
		if !path.IsAbs(*f.value) {
			return fmt.Errorf("%s %q is not an absolute path", f.name, *f.value)
		}
		*f.value = path.Clean(*f.value)
	}
	if err := o.fillServer(); err != nil {
		return err
	}
	if err := o.fillMounts(); err != nil {
		return err
	}
	orDefault(&o.RunDir, "/run/projhost")
	orDefault(&o.Group, "www-data")
	orDefault(&o.User, "trac")
	if err := o.fillSite(); err != nil {
		return err
	}
	w, title := o.way()
	if o.XSendfile && w.NoSend != "" {
		return fmt.Errorf("%s cannot send files that projhost names, %s: leave --xsendfile out", title, w.NoSend)
	}
	return o.fillAuth(w, title)
}

// way is the server's way and what messages call it; zero without a server.
func (o *Options) way() (w Way, title string) {
	if o.Server == "" {
		return Way{}, ""
	}
	s, _ := serverNamed(o.Server)
	w, _ = s.way(o.Way)
	return w, s.Title + " (" + w.Name + ")"
}

// checkText refuses what no configuration file can hold: control characters,
// line breaks among them, and what is not UTF-8.
func (o *Options) checkText() error {
	for _, f := range [][2]string{
		{"directory", o.Dir},
		{"program", o.Program},
		{"domain", o.Domain},
		{"address", o.Address},
		{"certificate", o.TLSCert},
		{"key", o.TLSKey},
		{"run directory", o.RunDir},
		{"listen", o.Listen},
		{"group", o.Group},
		{"user", o.User},
		{"password file", o.Auth.File}, {"key file of the doctor", o.DoctorKeyFile},
		{"realm", o.Auth.Realm},
		{"lc-time", o.LCTime},
	} {
		if err := checkText(f[0], f[1]); err != nil {
			return err
		}
	}
	for _, m := range o.Mounts {
		for _, s := range []string{m.Path, m.Env, m.Parent, m.Real} {
			if err := checkText("mount", s); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkText(name, s string) error {
	if strings.ContainsFunc(s, isControl) {
		return fmt.Errorf("%s %q has a control character in it, which no configuration file can hold", name, s)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s %q is not UTF-8, so not every configuration file can hold it: rename it", name, s)
	}
	return nil
}

// isControl also takes the characters that some formats count as line breaks.
func isControl(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || r == 0x2028 || r == 0x2029
}

func orDefault(s *string, def string) {
	if *s == "" {
		*s = def
	}
}

func (o *Options) fillServer() error {
	if o.Server == "" {
		return nil
	}
	s, ok := serverNamed(o.Server)
	if !ok {
		return fmt.Errorf("no server %q: there are %s", o.Server, strings.Join(ServerNames(), ", "))
	}
	orDefault(&o.Way, s.Ways[0].Name)
	if _, ok := s.way(o.Way); !ok {
		return fmt.Errorf("no way %q for %s: there are %s", o.Way, o.Server, strings.Join(s.wayNames(), ", "))
	}
	return nil
}

func (o *Options) fillMounts() error {
	if len(o.Mounts) == 0 {
		return fmt.Errorf("no environment: give --env or --env-parent-dir")
	}
	o.Mounts = slices.Clone(o.Mounts)
	for i := range o.Mounts {
		m := &o.Mounts[i]
		m.Path = path.Clean("/" + m.Path)
		if (m.Env == "") == (m.Parent == "") {
			return fmt.Errorf("mount %s: give one of an environment and a directory of environments", m.Path)
		}
		for _, dir := range []*string{&m.Env, &m.Parent, &m.Real} {
			if *dir != "" && !path.IsAbs(*dir) {
				return fmt.Errorf("mount %s: %q is not an absolute path", m.Path, *dir)
			}
			if *dir != "" {
				*dir = path.Clean(*dir)
			}
		}
	}
	slices.SortFunc(o.Mounts, func(a, b Mount) int { return strings.Compare(a.Path, b.Path) })
	for i := 1; i < len(o.Mounts); i++ {
		if o.Mounts[i].Path == o.Mounts[i-1].Path {
			return fmt.Errorf("two environments at %s: give each a path of its own", o.Mounts[i].Path)
		}
	}
	return nil
}

// fillSite checks what stands in addresses and names, which are not quoted.
func (o *Options) fillSite() error {
	if o.Domain != "" {
		ascii, err := idna.Lookup.ToASCII(o.Domain)
		if err != nil || !isName(ascii, ".-") {
			return fmt.Errorf("domain %q is no host name", o.Domain)
		}
		o.Domain = ascii
	}
	if o.TLSKey != "" && o.TLSCert == "" {
		return fmt.Errorf("a key without a certificate: give --tls-cert")
	}
	if o.TLSCert != "" {
		orDefault(&o.Address, "443")
		orDefault(&o.TLSKey, o.TLSCert)
	}
	orDefault(&o.Address, "80")
	if !isPort(o.Address) {
		if _, err := netip.ParseAddrPort(o.Address); err != nil {
			return fmt.Errorf("address %q is neither a port nor like 127.0.0.1:8080 or [::1]:8080", o.Address)
		}
	}
	if o.Listen != "" && !path.IsAbs(o.Listen) {
		a, err := netip.ParseAddrPort(strings.Replace(o.Listen, "localhost:", "127.0.0.1:", 1))
		if err != nil {
			return fmt.Errorf("listen %q is neither a socket's path nor like 127.0.0.1:9000", o.Listen)
		}
		o.Listen = a.String()
	}
	for _, f := range [][2]string{{"group", o.Group}, {"user", o.User}, {"lc-time", o.LCTime}} {
		if f[1] != "" && (!isName(f[1], "._-@$") || f[1][0] == '-') {
			return fmt.Errorf("%s %q has a character in it that no such name has", f[0], f[1])
		}
	}
	return nil
}

// isName tells whether s is made of ASCII letters, digits and the characters of more.
func isName(s, more string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(more, r)
	})
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

func (o *Options) fillAuth(w Way, title string) error {
	orDefault(&o.Auth.Realm, "projhost")
	file := w.AuthFile
	switch o.Auth.Kind {
	case AuthNone:
		if o.Auth.All {
			return fmt.Errorf("--auth-all without --auth: say basic or digest")
		}
		return nil
	case AuthBasic:
		orDefault(&file, "users.htpasswd")
	case AuthDigest:
		orDefault(&file, "users.htdigest")
		if strings.ContainsAny(o.Auth.Realm, `":\`) {
			return fmt.Errorf("realm %q: for digest authentication it may hold no quote, colon or backslash, for lists of users have it as it is", o.Auth.Realm)
		}
		if w.Name != "" && !w.Digest && w.NoAuth == "" {
			return fmt.Errorf("%s has no digest authentication: give --auth basic and TLS", title)
		}
	default:
		return fmt.Errorf("authentication %q: want basic or digest", o.Auth.Kind)
	}
	if w.NoAuth != "" {
		return fmt.Errorf("%s cannot tell projhost who asks: %s", title, w.NoAuth)
	}
	orDefault(&o.Auth.File, o.Dir+"/auth/"+file)
	return nil
}
