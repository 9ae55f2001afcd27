package try

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

func apacheRunners() map[string]runner {
	return map[string]runner{"apache": runApache}
}

// apacheModules are the modules that a way needs beside commonModules.
func apacheModules(way string) []string {
	switch way {
	case "fcgid", "cgid", "wsgi":
		return []string{way}
	case "htaccess":
		return []string{"fcgid", "rewrite"}
	}
	return []string{"proxy", way}
}

// commonModules are what any configuration of deploy's may use.
func commonModules() []string {
	return []string{
		"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "auth_digest",
		"alias", "env", "headers", "mime", "dir", "setenvif",
	}
}

// mimeTypes are for files that a web server sends itself.
const mimeTypes = `text/css css
text/javascript js
image/png png
image/svg+xml svg
image/x-icon ico
`

// runApache prepares Apache with a main configuration of its own: nothing of
// /etc/apache2 is read, and what it writes is in the site's work directory.
func runApache(s *Site) (launch, error) {
	program, err := look("apache2", "httpd")
	if err != nil {
		return launch{}, err
	}
	modules, err := firstDir("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules", "/usr/libexec/apache2")
	if err != nil {
		return launch{}, err
	}
	// Short, for there are unix sockets in it.
	run := filepath.Join(s.work, "a")
	if err := os.MkdirAll(run, 0o755); err != nil {
		return launch{}, err
	}
	var b strings.Builder
	dir := s.quoted(run)
	fmt.Fprintf(&b, "ServerRoot %s\nDefaultRuntimeDir %s\nPidFile %s\nMutex %s\nServerName localhost\nErrorLog /dev/stderr\n",
		dir, dir, s.quoted(run+"/pid"), s.quoted("file:"+run))
	owner, err := workUser(run)
	if err != nil {
		return launch{}, err
	}
	if owner != nil {
		fmt.Fprintf(&b, "User #%s\nGroup #%s\n", owner.Uid, owner.Gid)
	}
	way := s.Options.Way
	if way == "" {
		way = "proxy_fcgi"
	}
	loaded := append(commonModules(), apacheModules(way)...)
	if s.Options.TLSCert != "" {
		loaded = append(loaded, "ssl")
	}
	if s.Options.XSendfile {
		loaded = append(loaded, "xsendfile")
	}
	for _, m := range loaded {
		file := modules + "/mod_" + m + ".so"
		if _, err := os.Stat(file); err != nil {
			return launch{}, fmt.Errorf("apache's mod_%s: %w", m, ErrNotInstalled)
		}
		fmt.Fprintf(&b, "LoadModule %s_module %s\n", m, s.quoted(file))
	}
	b.WriteString("<Directory />\n    AllowOverride None\n    Require all denied\n</Directory>\n")
	b.WriteString("DocumentRoot " + s.quoted(run+"/empty") + "\n")
	if err := errors.Join(os.MkdirAll(run+"/empty", 0o755), os.WriteFile(run+"/mime.types", []byte(mimeTypes), 0o644)); err != nil {
		return launch{}, err
	}
	switch way {
	case "fcgid", "htaccess":
		fmt.Fprintf(&b, "FcgidIPCDir %s\nFcgidProcessTableFile %s\n", dir, s.quoted(run+"/fcgid"))
	case "cgid":
		fmt.Fprintf(&b, "ScriptSock %s\n", s.quoted(run+"/cgid"))
	case "wsgi":
		fmt.Fprintf(&b, "WSGISocketPrefix %s\n", s.quoted(run+"/wsgi"))
	}
	// By a link, for Include takes wildcards and variables in a path.
	link := run + "/site.conf"
	if err := linkTo(filepath.Join(s.Options.Dir, s.Plan.Config), link); err != nil {
		return launch{}, err
	}
	fmt.Fprintf(&b, "Include %s\n", s.quoted(link))
	main := filepath.Join(s.work, "apache.conf")
	if err := os.WriteFile(main, []byte(b.String()), 0o644); err != nil {
		return launch{}, err
	}
	args := []string{"-f", main, "-D", "FOREGROUND"}
	return launch{program: program, args: args, test: append(args, "-t")}, nil
}

// linkTo makes link lead to path, whatever it led to before.
func linkTo(path, link string) error {
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(path, link)
}

func firstDir(dirs ...string) (string, error) {
	for _, d := range dirs {
		if fi, err := os.Stat(d); err == nil && fi.IsDir() {
			return d, nil
		}
	}
	return "", fmt.Errorf("%s: %w", dirs[0], ErrNotInstalled)
}

// workUser is the user that a web server's processes become, nil unless this
// process is root's; dir is theirs then.
func workUser(dir string) (*user.User, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"www-data", "http", "apache", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return nil, err
		}
		return u, os.Chown(dir, uid, gid)
	}
	return nil, fmt.Errorf("this is root, and there is no user www-data or nobody for the web server to become")
}
