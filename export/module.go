package export

import (
	"encoding/json"

	"projhost/project"
)

// Module answers, in the host of an export alone, with the addresses of all that
// the other modules have.
type Module struct{}

var _ project.Module = Module{}

// ownPath is the directory that is the export's own, in the project's addresses
// and among the files; no module of a project has one of that name.
const ownPath = "/.export"

const listPath = ownPath + "/addresses"

// Name implements [project.Module].
func (Module) Name() string { return "export" }

// Routes implements [project.Module].
func (Module) Routes(r project.Router) {
	r.Get(listPath, func(r *project.Request) (project.Reply, error) {
		list, err := r.Site.Addresses(r, r.URL.Query().Get("history") != "")
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(list)
		return project.Text{ContentType: "application/json", Body: string(text)}, err
	})
}
