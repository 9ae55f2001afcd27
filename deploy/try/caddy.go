package try

import (
	"os"
	"path/filepath"
	"strings"
)

func caddyRunners() map[string]runner {
	return map[string]runner{"caddy": runCaddy}
}

// runCaddy imports the plan's file into a Caddyfile without certificates of its
// own, without an administration port, and with all its files in work.
func runCaddy(s *Site) (launch, error) {
	program, err := look("caddy")
	if err != nil {
		return launch{}, err
	}
	// import takes a pattern of filepath.Glob; between backquotes nothing else is special.
	config := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(filepath.Join(s.Options.Dir, s.Plan.Config))
	text := "{\n\tadmin off\n\tauto_https off\n}\nimport `" + config + "`\n"
	main := filepath.Join(s.work, "Caddyfile")
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		return launch{}, err
	}
	args := []string{"--adapter", "caddyfile", "--config", main}
	return launch{
		program: program, args: append([]string{"run"}, args...), test: append([]string{"validate"}, args...),
		env: []string{"HOME=" + s.work, "XDG_DATA_HOME=" + s.work, "XDG_CONFIG_HOME=" + s.work},
	}, nil
}
