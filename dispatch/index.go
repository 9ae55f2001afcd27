package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"iter"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"projhost/envs"
	"projhost/internal/fault"
	"projhost/internal/href"
	"projhost/internal/stamp"
	"projhost/project"
	"projhost/templates"
)

// maxTemplateBytes bounds an index template.
const maxTemplateBytes = 1 << 20

// maxTemplates bounds how many parsed index templates are remembered.
const maxTemplates = 64

// IndexProject is a project in the index, for templates and JSON. An index
// template ranges over .Projects and reads .Name, .Description, .Href and
// .Broken of each.
type IndexProject struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Href        string `json:"href"`
	Broken      bool   `json:"broken,omitempty"`
}

// IndexData is what an index template is given: the projects, sorted, and the
// values of TRAC_TEMPLATE_VARS as .Vars.NAME.
type IndexData struct {
	Projects []IndexProject
	Vars     map[string]string
}

// serveIndex answers "/" above the projects.
func (h *Host) serveIndex(ctx context.Context, w http.ResponseWriter, r *http.Request, from sources, of scope) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return fault.New(fault.Method, "The list of projects can only be looked at.")
	}
	projects, err := h.projects(ctx, href.Base(from.vars.Script()), of)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	kind, policy, err := h.renderIndex(ctx, &buf, r, from, projects)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("Cache-Control", "no-cache")
	header.Set("Vary", "Accept")
	if policy != "" {
		header.Set("Content-Security-Policy", policy)
	}
	header.Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err = w.Write(buf.Bytes())
	return err
}

func (h *Host) projects(ctx context.Context, base href.Base, of scope) ([]IndexProject, error) {
	list, err := h.list(ctx, of)
	if err != nil {
		return nil, err
	}
	var projects []IndexProject
	for info := range list {
		p := IndexProject{Name: info.Title, Description: info.Description, Href: base.Path(info.Name)}
		if info.State == envs.Broken {
			p.Broken, p.Description = true, ""
		}
		projects = append(projects, p)
	}
	return projects, nil
}

func (h *Host) list(ctx context.Context, of scope) (iter.Seq[envs.Info], error) {
	if of.named {
		return h.options.Registry.ListNamed(ctx, h.options.Envs)
	}
	return h.options.Registry.List(ctx, of.parent)
}

// renderIndex writes the index in the form that was asked for and returns its
// content type and Content-Security-Policy. What an administrator's own
// template may load is the administrator's business.
func (h *Host) renderIndex(ctx context.Context, buf *bytes.Buffer, r *http.Request, from sources, projects []IndexProject) (kind, policy string, err error) {
	if wantsJSON(r) {
		if projects == nil {
			projects = []IndexProject{}
		}
		return "application/json", "", json.NewEncoder(buf).Encode(projects)
	}
	custom, at, err := from.nearest(settingTemplate())
	if err != nil {
		return "", "", err
	}
	if custom == "" {
		return "text/html; charset=utf-8", templates.HostPolicy(), h.standardIndex(ctx, buf, r, href.Base(from.vars.Script()), projects)
	}
	vars, _, err := from.nearest(settingVars())
	if err != nil {
		return "", "", err
	}
	path, err := h.templatePath(custom, at)
	if err != nil {
		return "", "", fault.Wrap(fault.Internal, "", err)
	}
	tmpl, err := h.index.template(path)
	if err != nil {
		return "", "", fault.Wrap(fault.Internal, "", fmt.Errorf("index template: %w", err))
	}
	if err := tmpl.Execute(buf, IndexData{projects, templateVars(vars, h.options.Log)}); err != nil {
		return "", "", fault.Wrap(fault.Internal, "", fmt.Errorf("index template: %w", err))
	}
	if filepath.Ext(path) == ".xml" {
		return "text/xml; charset=utf-8", "", nil
	}
	return "text/html; charset=utf-8", "", nil
}

// standardIndex renders the program's own index; "?q=" filters it.
func (h *Host) standardIndex(ctx context.Context, buf *bytes.Buffer, r *http.Request, base href.Base, projects []IndexProject) error {
	page := templates.IndexPage{Generator: project.Generator, Action: base.Path(), Query: r.URL.Query().Get("q"), Total: len(projects)}
	page.Projects = make([]templates.Project, 0, len(projects))
	for _, p := range projects {
		if entry := (templates.Project{Name: p.Name, Description: p.Description, Href: p.Href, Broken: p.Broken}); page.Query == "" || entry.Matches(page.Query) {
			page.Projects = append(page.Projects, entry)
		}
	}
	buf.Grow(16<<10 + 256*len(page.Projects))
	return templates.Index(&page).Render(ctx, buf)
}

// wantsJSON is true for ?format=json and for a client that names JSON and not
// HTML in its Accept header (RFC 9110 section 12.5.1).
func wantsJSON(r *http.Request) bool {
	if f := r.URL.Query().Get("format"); f != "" {
		return f == "json"
	}
	json := false
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		switch kind, _, _ := mime.ParseMediaType(part); kind {
		case "text/html", "application/xhtml+xml":
			return false
		case "application/json":
			json = true
		}
	}
	return json
}

// templatePath checks that an index template may be read: one that the request
// named must be inside the roots.
func (h *Host) templatePath(given string, at level) (string, error) {
	path, err := filepath.Abs(given)
	if err != nil || at != levelRequest {
		return path, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	for _, root := range h.options.Roots {
		if real, err := filepath.EvalSymlinks(root); err == nil && strings.HasPrefix(path, strings.TrimRight(real, "/")+"/") {
			return path, nil
		}
	}
	return "", fmt.Errorf("the request names the index template %s: %w", path, envs.ErrOutsideRoots)
}

// index remembers parsed index templates, each until its file changes.
type index struct {
	mu        sync.Mutex
	templates map[string]parsedTemplate
}

type parsedTemplate struct {
	tmpl *template.Template
	was  stamp.Stamp
}

func newIndex() *index { return &index{templates: make(map[string]parsedTemplate)} }

func (x *index) template(path string) (*template.Template, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if fi.Size() > maxTemplateBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxTemplateBytes)
	}
	was := stamp.OfInfo(fi)
	x.mu.Lock()
	defer x.mu.Unlock()
	if p, ok := x.templates[path]; ok && p.was == was {
		return p.tmpl, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	tmpl, err := template.New(filepath.Base(path)).Option("missingkey=zero").Parse(string(text))
	if err != nil {
		return nil, err
	}
	if len(x.templates) >= maxTemplates {
		clear(x.templates)
	}
	x.templates[path] = parsedTemplate{tmpl, was}
	return tmpl, nil
}
