package try

import (
	"os"
	"path/filepath"
)

func uwsgiRunners() map[string]runner {
	return map[string]runner{"uwsgi": runUWSGI}
}

// runUWSGI starts it with a copy of the plan's file: the name of an ini file may
// have no colon.
func runUWSGI(s *Site) (launch, error) {
	program, err := look("uwsgi", "uwsgi-core")
	if err != nil {
		return launch{}, err
	}
	text, err := os.ReadFile(filepath.Join(s.Options.Dir, s.Plan.Config))
	if err != nil {
		return launch{}, err
	}
	main := filepath.Join(s.work, "uwsgi.ini")
	if err := os.WriteFile(main, text, 0o600); err != nil {
		return launch{}, err
	}
	return launch{program: program, args: []string{"--ini", main}}, nil
}
