package try

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func nginxRunners() map[string]runner {
	return map[string]runner{"nginx": runNginx}
}

// runNginx writes a main configuration around the one of the plan.
func runNginx(s *Site) (launch, error) {
	program, err := look("nginx")
	if err != nil {
		return launch{}, err
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root; # reads what the test has made in directories of mode 0700\n"
	}
	types := ""
	if _, err := os.Stat("/etc/nginx/mime.types"); err == nil {
		types = "include /etc/nginx/mime.types;"
	}
	temp := ""
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += fmt.Sprintf("    %s_temp_path %s;\n", name, s.quoted(filepath.Join(s.work, "nginx-"+name)))
	}
	text := fmt.Sprintf(`%sdaemon off;
pid %s;
error_log stderr info;
worker_processes 1;
events { worker_connections 256; }
http {
    %s
    access_log off;
%s    include %s;
}
`, user, s.quoted(filepath.Join(s.work, "nginx.pid")), types, temp, s.quoted(filepath.Join(s.Options.Dir, s.Plan.Config)))
	main := filepath.Join(s.work, "nginx.conf")
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		return launch{}, err
	}
	// -e: the log of before the configuration is read, else /var/log/nginx/error.log.
	args := []string{"-p", s.work, "-e", "stderr", "-c", main}
	return launch{program: program, args: args, test: append(args, "-t")}, nil
}

// quoted writes a path between double quotes, with a backslash before what
// means something there.
func (s *Site) quoted(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}
