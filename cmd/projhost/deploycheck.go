package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"projhost/deploy"
	"projhost/deploy/try"
	"projhost/doctor"
	"projhost/envs"
)

// checkDeploy starts a web server with the configuration that o makes, and
// projhost behind it, on a spare port and in a directory of their own, walks
// through the site, and writes how that went. Nothing of what is deployed, and
// no server that runs, is touched: the same options, but for the directory, the
// address, the site's name and a login of its own, give the same configuration.
func checkDeploy(ctx context.Context, o deploy.Options, w io.Writer) error {
	work, err := os.MkdirTemp("", "projhost-check-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := os.Chmod(work, 0o755); err != nil { //nolint:gosec // a web server that root starts becomes another user
		return err
	}
	target := doctor.Target{Insecure: true}
	if err := ownSite(&o, work, &target); err != nil {
		return err
	}
	site, err := try.Start(ctx, o, work)
	if errors.Is(err, try.ErrNotInstalled) {
		return fmt.Errorf("%s %s: not checked: %w", o.Server, o.Way, err)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", o.Server, o.Way, err)
	}
	bad := 0
	for _, m := range o.Mounts {
		target.URL = strings.TrimSuffix(site.URL+m.Path, "/")
		if target.Projects, err = projectsIn(ctx, m); err != nil {
			return errors.Join(err, site.Stop())
		}
		if _, err := fmt.Fprintf(w, "%s %s, %s\n", o.Server, o.Way, m.Path); err != nil {
			return errors.Join(err, site.Stop())
		}
		results := doctor.Walk(ctx, target)
		bad += countProblems(results)
		if err := writeResults(w, results); err != nil {
			return errors.Join(err, site.Stop())
		}
	}
	if err := site.Stop(); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%s %s: %d checks failed; %s", o.Server, o.Way, bad, logHint(site.Log(), w))
	}
	return nil
}

// maxLogShown bounds what is shown of the servers' logs, in bytes.
const maxLogShown = 4 << 10

// logHint shows the end of what the servers have said.
func logHint(log string, w io.Writer) string {
	_, _ = fmt.Fprintf(w, "the servers said at last:\n%s\n", log[max(0, len(log)-maxLogShown):])
	return "see above"
}

// ownSite gives the options a directory, an address, a login and a key of the check's own.
func ownSite(o *deploy.Options, work string, target *doctor.Target) error {
	port, err := sparePort()
	if err != nil {
		return err
	}
	o.Dir, o.RunDir, o.Address, o.Listen = filepath.Join(work, "deploy"), filepath.Join(work, "run"), port, ""
	o.Domain = ""
	o.Secret, o.DoctorKeyFile = rand.Text(), filepath.Join(work, "key")
	if o.Group, err = webGroup(); err != nil {
		return err
	}
	target.Key = rand.Text()
	for _, dir := range []string{o.Dir, o.RunDir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(o.DoctorKeyFile, []byte(target.Key), 0o600); err != nil {
		return err
	}
	if err := writeAssets(o.Dir); err != nil || o.Auth.Kind == deploy.AuthNone {
		return err
	}
	o.Auth.File = filepath.Join(work, "users")
	target.User, target.Password, target.AuthAll = "projhost-check", rand.Text(), o.Auth.All
	users, err := try.Users(o.Server, o.Auth, target.User, target.Password)
	if err != nil {
		return err
	}
	return os.WriteFile(o.Auth.File, []byte(users), 0o644) //nolint:gosec // the web server's user reads it
}

// writeAssets writes the static files that web servers send themselves.
func writeAssets(dir string) error {
	files, err := filesOf(nil)
	if err != nil {
		return err
	}
	_, err = deploy.Write(dir, files, deploy.WriteOptions{})
	return err
}

// sparePort is an address of the loopback where nobody listens.
func sparePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// webGroup is the group that the web server is in: Debian's, if it is started by
// root and can become that, else this process's own.
func webGroup() (string, error) {
	const debian = "www-data"
	if os.Getuid() == 0 {
		if _, err := user.LookupGroup(debian); err == nil {
			return debian, nil
		}
	}
	g, err := user.LookupGroupId(strconv.Itoa(os.Getgid()))
	if err != nil {
		return "", err
	}
	return g.Name, nil
}

// projectsIn lists the projects of a mount that can be opened, none if it is
// one project itself.
func projectsIn(ctx context.Context, m deploy.Mount) ([]string, error) {
	if m.Parent == "" {
		return nil, nil
	}
	r := envs.NewRegistry(envs.Options{AllowRoots: []string{m.Parent}})
	defer func() { _ = r.Close(ctx) }()
	list, err := r.List(ctx, m.Parent)
	if err != nil {
		return nil, err
	}
	var names []string
	for info := range list {
		if info.State != envs.Broken {
			names = append(names, info.Name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no project in %s to check with", m.Parent)
	}
	return names, nil
}
