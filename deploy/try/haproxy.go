package try

import (
	"os"
	"path/filepath"

	"projhost/deploy"
)

func haproxyRunners() map[string]runner {
	return map[string]runner{"haproxy": runHAProxy}
}

// runHAProxy gives it the plan's file besides a short one of its own.
func runHAProxy(s *Site) (launch, error) {
	program, err := look("haproxy")
	if err != nil {
		return launch{}, err
	}
	main := filepath.Join(s.work, "haproxy.cfg")
	if err := os.WriteFile(main, []byte("global\n    maxconn 256\n    log stderr format raw local0\n"), 0o600); err != nil {
		return launch{}, err
	}
	files := []string{"-f", main, "-f", filepath.Join(s.Options.Dir, s.Plan.Config)}
	if o := s.Plan.Options; o.Auth.Kind != deploy.AuthNone {
		files = append(files, "-f", o.Auth.File)
	}
	// -db: in the foreground.
	return launch{program: program, args: append([]string{"-db"}, files...), test: append([]string{"-c"}, files...)}, nil
}
