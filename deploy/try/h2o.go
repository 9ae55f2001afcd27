package try

import (
	"os"
	"path/filepath"
)

func h2oRunners() map[string]runner {
	return map[string]runner{"h2o": runH2O}
}

// runH2O adds to a copy of the plan's file who it runs as: as root, H2O would
// become "nobody", who cannot read what the test has made.
func runH2O(s *Site) (launch, error) {
	program, err := look("h2o")
	if err != nil {
		return launch{}, err
	}
	text, err := os.ReadFile(filepath.Join(s.Options.Dir, s.Plan.Config))
	if err != nil {
		return launch{}, err
	}
	if os.Geteuid() == 0 {
		text = append(text, "user: root\n"...)
	}
	main := filepath.Join(s.work, "h2o.conf")
	if err := os.WriteFile(main, append(text, "num-threads: 1\n"...), 0o600); err != nil {
		return launch{}, err
	}
	return launch{program: program, args: []string{"-c", main}, test: []string{"-t", "-c", main}}, nil
}
