package try

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

func lighttpdRunners() map[string]runner {
	return map[string]runner{"lighttpd": runLighttpd}
}

// runLighttpd writes a main configuration that includes the one of the plan.
func runLighttpd(s *Site) (launch, error) {
	program, err := look("lighttpd")
	if err != nil {
		return launch{}, err
	}
	host, port, err := net.SplitHostPort(s.Options.Address)
	if err != nil {
		return launch{}, err
	}
	run := filepath.Join(s.work, "l")
	if err := os.MkdirAll(run, 0o755); err != nil {
		return launch{}, err
	}
	// lighttpd cannot name a path that ends in a backslash or has some other
	// characters in include: it is a link of a plain name.
	link := filepath.Join(run, "site.conf")
	if err := linkTo(filepath.Join(s.Options.Dir, s.Plan.Config), link); err != nil {
		return launch{}, err
	}
	text := fmt.Sprintf(`server.port = %s
server.bind = %s
server.document-root = %s
server.upload-dirs = ( %s )
server.errorlog = "/dev/stderr"
mimetype.assign = ( ".css" => "text/css", ".js" => "text/javascript", ".png" => "image/png", ".svg" => "image/svg+xml", ".ico" => "image/x-icon" )
include %s
`, port, s.quoted(host), s.quoted(run), s.quoted(run), s.quoted(link))
	main := filepath.Join(run, "lighttpd.conf")
	if err := os.WriteFile(main, []byte(text), 0o644); err != nil {
		return launch{}, err
	}
	args := []string{"-D", "-f", main}
	return launch{program: program, args: args, test: []string{"-tt", "-f", main}}, nil
}
