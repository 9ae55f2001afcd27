// Package download is the module that hands out attached files, byte for byte,
// at Trac's address /raw-attachment/REALM/ID/NAME.
package download

import (
	"errors"
	"fmt"
	"strings"

	"projhost/access/perm"
	"projhost/internal/fault"
	"projhost/internal/href"
	"projhost/project"
	"projhost/project/attachment"
)

// Module hands out attachments.
type Module struct{}

var (
	_ project.Module = Module{}
	_ project.Lister = Module{}
)

const prefix = "/raw-attachment/"

// Name implements [project.Module].
func (Module) Name() string { return "download" }

// Routes implements [project.Module].
func (Module) Routes(r project.Router) { r.Get(prefix+"*", raw) }

// Addresses implements [project.Lister].
func (Module) Addresses(r *project.Request, _ bool) (list []string, err error) {
	all, err := attachment.All(r.Context(), r.Env)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		action, ok := viewAction(a.Parent.Realm)
		if ok {
			ok, err = r.Perm.Has(r.Context(), action, a.Parent)
		}
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, href.Base("").Path(prefix, a.Parent.Realm, a.Parent.ID, a.Name))
		}
	}
	return list, nil
}

// viewAction is who may see the attachments of a realm: whoever may see what they
// belong to (Trac's LegacyAttachmentPolicy).
func viewAction(realm string) (action string, ok bool) {
	switch realm {
	case "wiki", "ticket", "milestone":
		return strings.ToUpper(realm) + "_VIEW", true
	}
	return "", false
}

// raw answers with a file. It is offered for saving and never shown as a page of
// the site: anybody may have attached it.
func raw(r *project.Request) (project.Reply, error) {
	realm, rest, _ := strings.Cut(r.Wildcard(), "/")
	i := strings.LastIndexByte(rest, '/')
	action, ok := viewAction(realm)
	if i <= 0 || !ok {
		return nil, fault.New(fault.NotFound, fmt.Sprintf("There is no attachment %s.", r.URL.Path))
	}
	parent, name := perm.Resource{Realm: realm, ID: rest[:i]}, rest[i+1:]
	if err := r.Perm.Require(r.Context(), action, parent); err != nil {
		return nil, err
	}
	a, file, err := attachment.Open(r.Context(), r.Env, parent, name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fault.Wrap(fault.NotFound, fmt.Sprintf("The file of the attachment %q is missing.", name), err), file.Close())
	}
	return project.File{Name: a.Name, Path: file.Name(), Content: file, ModTime: info.ModTime(), Size: info.Size(), Save: true}, nil
}
