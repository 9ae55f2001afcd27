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
		if !perm.TakesAttachments(a.Parent.Realm) {
			continue
		}
		ok, err := r.Perm.Has(r.Context(), actionView, a.Parent.Attachment(a.Name))
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, href.Base("").Path(prefix, a.Parent.Realm, a.Parent.ID, a.Name))
		}
	}
	return list, nil
}

// actionView is nobody's by the permission table: a policy has who may see what a
// file belongs to see it (Trac's LegacyAttachmentPolicy), others may say more.
const actionView = "ATTACHMENT_VIEW"

// raw answers with a file. It is offered for saving and never shown as a page of
// the site: anybody may have attached it.
func raw(r *project.Request) (project.Reply, error) {
	realm, rest, _ := strings.Cut(r.Wildcard(), "/")
	i := strings.LastIndexByte(rest, '/')
	if i <= 0 || !perm.TakesAttachments(realm) {
		return nil, fault.New(fault.NotFound, fmt.Sprintf("There is no attachment %s.", r.URL.Path))
	}
	parent, name := perm.Resource{Realm: realm, ID: rest[:i]}, rest[i+1:]
	if err := r.Perm.Require(r.Context(), actionView, parent.Attachment(name)); err != nil {
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
