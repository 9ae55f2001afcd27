// Package chrome serves the static files of a project: the program's own
// (/chrome/common) and those in the environment's htdocs (/chrome/site) and in
// the directory that [inherit] htdocs_dir names (/chrome/shared).
package chrome

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"projhost/internal/fault"
	"projhost/internal/href"
	"projhost/markup"
	"projhost/project"
	"projhost/templates"
)

// Module serves static files.
type Module struct{}

var (
	_ project.Module = Module{}
	_ project.Linker = Module{}
	_ project.Lister = Module{}
)

// Name implements [project.Module].
func (Module) Name() string { return "chrome" }

// Routes implements [project.Module].
func (Module) Routes(r project.Router) {
	r.Get("/chrome/common/*", common)
	r.Get("/chrome/site/*", site)
	r.Get("/chrome/shared/*", shared)
}

// LinkRealms implements [project.Linker].
func (Module) LinkRealms() []string { return []string{"htdocs"} }

// Links implements [project.Linker]: "htdocs:path" is a file of /chrome/site.
func (Module) Links(r *project.Request) (project.LinkFunc, error) {
	return func(_ markup.Context, l markup.Link) (markup.Target, error) {
		return markup.Target{Href: r.Href.Path("chrome", "site", l.Target) + l.Query + l.Fragment}, nil
	}, nil
}

// Addresses implements [project.Lister].
func (Module) Addresses(r *project.Request, _ bool) (list []string, err error) {
	for f := range templates.Assets() {
		list = append(list, templates.AssetHref("/chrome/common", f.Name))
	}
	for _, from := range [][2]string{{"/chrome/site", r.Env.Path("htdocs")}, {"/chrome/shared", r.Env.Config().Path("inherit", "htdocs_dir")}} {
		names, err := filesBelow(from[1])
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			list = append(list, href.Base("").Path(from[0], name))
		}
	}
	return list, nil
}

// filesBelow lists the files inside dir that fileBelow may open; none are in "".
func filesBelow(dir string) (names []string, err error) {
	root, err := os.OpenRoot(dir)
	if dir == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && hidden(name) && d.IsDir():
			return fs.SkipDir
		case !d.IsDir() && !hidden(name):
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// common answers with a file of the program itself.
func common(r *project.Request) (project.Reply, error) {
	f, ok := templates.Asset(r.Wildcard())
	if !ok {
		return nil, missing(r, nil)
	}
	return project.Asset{File: f, Fingerprinted: r.URL.Query().Get("v") == f.Version()}, nil
}

// site answers with a file of the environment's htdocs directory.
func site(r *project.Request) (project.Reply, error) {
	f, err := fileBelow(r, r.Env.Path("htdocs"))
	if err != nil {
		return nil, err
	}
	return f, nil
}

// shared answers with a file of the directory several projects share.
func shared(r *project.Request) (project.Reply, error) {
	dir := r.Env.Config().Path("inherit", "htdocs_dir")
	if dir == "" {
		return nil, missing(r, nil)
	}
	f, err := fileBelow(r, dir)
	if err != nil {
		return nil, err
	}
	f.Path = "" // web servers are told of the environments alone
	return f, nil
}

// fileBelow opens a file inside dir. The directory is opened as a root that
// neither ".." nor a symbolic link can leave; Trac compared prefixes of path
// names, by which a sibling directory could be read.
func fileBelow(r *project.Request, dir string) (project.File, error) {
	name := r.Wildcard()
	if !fs.ValidPath(name) || hidden(name) {
		return project.File{}, missing(r, fmt.Errorf("%q is not a path of a static file", name))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return project.File{}, missing(r, err)
	}
	defer func() { _ = root.Close() }()
	// O_NONBLOCK: a named pipe in there must not hold the request.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return project.File{}, missing(r, err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return project.File{}, missing(r, errors.Join(err, f.Close()))
	}
	return project.File{Name: path.Base(name), Path: filepath.Join(dir, filepath.FromSlash(name)), Content: f, ModTime: info.ModTime(), Size: info.Size()}, nil
}

// hidden is true if a part of the path begins with a dot.
func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
}

func missing(r *project.Request, err error) error {
	return &fault.Error{Kind: fault.NotFound, Public: fmt.Sprintf("There is no file %s here.", r.URL.Path), Err: err}
}
