package house_test

import (
	"slices"
	"strings"
	"testing"
)

// floor is what a package is for and which of ours it may import. "x/..."
// stands for x and all below it.
type floor struct {
	reason string
	may    []string
}

// floors is the plan of the house: a package imports only lower floors.
func floors() map[string]floor {
	return map[string]floor{
		"internal/fault":      {"the few ways a request can fail; no HTTP", nil},
		"internal/href":       {"links below a project's base path", nil},
		"internal/locale":     {"how dates are written in a place", nil},
		"internal/stamp":      {"whether a file has changed since it was looked at", nil},
		"internal/disk":       {"what was written outlasts a loss of power", nil},
		"internal/stage":      {"what a request's time goes into", nil},
		"internal/house":      {"these rules", nil},
		"front/gateway":       {"protocol variables of one request", nil},
		"envs/tracini":        {"trac.ini as read at one moment", []string{"internal/disk", "internal/stamp"}},
		"db/schema":           {"the tables as SQL", nil},
		"db/convert":          {"a whole database as one of the other kind", []string{"db", "db/schema"}},
		"db/upgrade":          {"tables of an older Trac to the present ones, step by step", []string{"db", "db/convert", "db/schema", "envs/defaults", "envs/tracini"}},
		"envs/defaults":       {"what a new environment begins with", []string{"envs/tracini"}},
		"markup":              {"wiki text to HTML", nil},
		"templates":           {"page types and layout", nil},
		"templates/account":   {"pages of signing in and out", []string{"templates"}},
		"templates/wiki":      {"pages of the wiki", []string{"templates"}},
		"front/fcgi":          {"FastCGI: bytes in, request out, drain", []string{"front/gateway", "front/wire"}},
		"front/web":           {"HTTP: bytes in, request out, drain", []string{"front/gateway", "front/wire"}},
		"front":               {"listening sockets and which protocol each speaks", []string{"internal/stamp", "front/gateway", "front/fcgi", "front/web", "front/wire", "front/scgi", "front/uwsgi", "front/ajp"}},
		"front/wire":          {"what protocols of web servers share: accept, count, drain, answer", []string{"front/gateway"}},
		"front/wire/wiretest": {"one suite for the tests of every such protocol", []string{"front/gateway", "front/wire"}},
		"front/scgi":          {"SCGI: how its bytes look", []string{"front/gateway", "front/wire"}},
		"front/ajp":           {"AJP/1.3: how its bytes look", []string{"front/gateway", "front/wire"}},
		"front/cgi":           {"CGI: one request of the process", []string{"front/gateway", "front/wire"}},
		"front/uwsgi":         {"uwsgi: how its bytes look", []string{"front/gateway", "front/wire"}},
		"db":                  {"open databases, transactions", []string{"internal/disk", "internal/fault", "internal/stage", "db/schema"}},
		"db/pgtest":           {"PostgreSQL servers for tests", nil},
		"envs/envlog":         {"an environment's own log", []string{"internal/stamp"}},
		"envs":                {"which environment; open, count, evict", []string{"db", "db/schema", "envs/defaults", "envs/envlog", "envs/tracini", "internal/fault", "internal/stage", "internal/stamp"}},
		"access/auth":         {"who asks; reads REMOTE_USER", []string{"envs", "db", "front/gateway", "internal/fault"}},
		"access/ht":           {"sign in by htpasswd and htdigest files", []string{"access/tries", "front/gateway", "internal/stamp"}},
		"access/tries":        {"how often an address was wrong", nil},
		"access/authz":        {"files of rules about who may do what", []string{"envs/tracini"}},
		"access/perm":         {"what they may do", []string{"access/auth", "access/authz", "envs", "envs/tracini", "db", "internal/fault", "internal/stamp"}},
		"access/session":      {"what is remembered of a visitor", []string{"envs", "db", "internal/fault"}},
		"project":             {"the contract between host and module", []string{"access/auth", "access/perm", "envs", "envs/tracini", "templates", "markup", "internal/href", "internal/locale", "internal/fault", "internal/stage"}},
		"project/account":     {"module: signing in and out", []string{"project", "access/auth", "db", "envs", "templates", "templates/account"}},
		"project/chrome":      {"module: static files", []string{"project", "templates", "markup", "internal/fault", "internal/href"}},
		"project/download":    {"module: attached files as they are", []string{"project", "project/attachment", "access/perm", "internal/fault", "internal/href"}},
		"project/attachment":  {"files attached to pages, tickets and milestones", []string{"access/perm", "envs", "db", "db/schema", "internal/fault"}},
		"project/ticket":      {"tickets, and what they can be assigned to", []string{"project/attachment", "access/perm", "envs", "db", "internal/fault"}},
		"project/wiki":        {"module: wiki", []string{"project", "project/attachment", "access/perm", "envs", "db", "templates", "templates/wiki", "markup", "internal/href", "internal/fault"}},
		"doctor":              {"what is wrong between a web server and the program", []string{"front/gateway"}},
		"door":                {"who may see the program's own pages", []string{"access/tries", "front/gateway", "templates"}},
		"dispatch":            {"the request's way", []string{"front/gateway", "doctor", "door", "envs", "envs/tracini", "project", "templates", "internal/fault", "internal/href", "internal/locale", "internal/stage", "internal/stamp", "watch"}},
		"watch":               {"counts requests, shows them as metrics, and profiles", []string{"internal/stage", "envs", "db", "front"}},
		"status":              {"how environments are doing, for administrators", []string{"envs", "front/gateway", "internal/fault", "templates", "watch"}},
		"deploy":              {"configuration of web servers and process managers, as text", nil},
		"deploy/try":          {"run a web server with it", []string{"deploy"}},
		"export":              {"a project as static files", []string{"project", "front/gateway", "internal/disk"}},
		"testenvs/realtrac":   {"a real Trac 1.6", nil},
		"testenvs":            {"environments for tests", []string{"db/pgtest", "db", "envs", "envs/tracini", "project", "dispatch", "front/gateway"}},
		"backup":              {"copy environments, bring them back, verify", []string{"db", "db/convert", "db/schema", "db/upgrade", "envs", "envs/tracini", "internal/disk", "internal/fault"}},
		"admin":               {"trac-admin's commands on one environment", []string{"backup", "access/...", "envs/...", "db/...", "project/...", "internal/..."}},
		"cmd/projhost":        {"parse, wire, run", []string{"admin", "backup", "export", "front/...", "deploy/...", "doctor", "door", "templates", "dispatch", "envs/...", "db/...", "project/...", "access/...", "internal/...", "life", "status", "watch"}},
		"life":                {"the process: signals, service manager, log and pid files, hand-over", []string{"front"}},
	}
}

func allowed(may []string, pkg string) bool {
	return slices.ContainsFunc(may, func(m string) bool {
		if below, ok := strings.CutSuffix(m, "/..."); ok {
			return pkg == below || strings.HasPrefix(pkg, below+"/")
		}
		return m == pkg
	})
}

func TestImportsGoDown(t *testing.T) {
	plan := floors()
	seen := map[string]bool{}
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		seen[f.pkg] = true
		fl, ok := plan[f.pkg]
		if !ok {
			t.Errorf("%s: package %s has no floor in the plan: add it with its reason", f.path, f.pkg)
			continue
		}
		for _, imp := range f.imports() {
			ours, ok := strings.CutPrefix(imp, module+"/")
			if ok && !allowed(fl.may, ours) {
				t.Errorf("%s imports %s, which %s (%s) may not", f.path, ours, f.pkg, fl.reason)
			}
		}
	}
	for pkg := range plan {
		if !seen[pkg] {
			t.Errorf("the plan lists %s, which is not there", pkg)
		}
	}
}

// TestOutsideImports keeps a library in the one place that knows it.
func TestOutsideImports(t *testing.T) {
	only := map[string][]string{
		"github.com/go-chi/chi":        {"dispatch"},
		"gopkg.in/ini.v1":              {"envs/tracini", "cmd/projhost"},
		"modernc.org/sqlite":           {"db"},
		"modernc.org/libc":             {"db"},
		"github.com/jackc/pgx/v5":      {"db"},
		"database/sql":                 {"db"},
		"github.com/a-h/templ":         {"templates/...", "project/..."},
		"github.com/spf13/cobra":       {"cmd/projhost"},
		"github.com/vbauerster/mpb":    {"cmd/projhost"},
		"github.com/coreos/go-systemd": {"front", "life"},
		"github.com/GehirnInc/crypt":   {"access/ht"},
		"golang.org/x/crypto":          {"access/ht", "deploy/try"},
		"golang.org/x/term":            {"admin", "cmd/projhost"},
		"net/http/fcgi":                nil,
		"net/http/pprof":               nil, // it offers profiles at http.DefaultServeMux
		"github.com/prometheus":        {"watch"},
	}
	driverFiles := map[string]bool{}
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		for _, imp := range f.imports() {
			for lib, homes := range only {
				if imp != lib && !strings.HasPrefix(imp, lib+"/") {
					continue
				}
				if !allowed(homes, f.pkg) {
					t.Errorf("%s imports %s, which belongs to %v alone", f.path, imp, homes)
				}
				if strings.Contains(lib, "sqlite") {
					driverFiles[f.path] = true
				}
			}
		}
	}
	if len(driverFiles) > 1 {
		t.Errorf("the SQLite driver is known to more than one file: %v", driverFiles)
	}
}

func TestTestPackagesOnlyInTests(t *testing.T) {
	for _, f := range program(tree(t)) {
		for _, pkg := range []string{"/testenvs", "/testenvs/realtrac", "/db/pgtest", "/front/wire/wiretest"} {
			if slices.Contains(f.imports(), module+pkg) && f.pkg != "testenvs" {
				t.Errorf("%s imports %s outside a test", f.path, pkg)
			}
		}
	}
}
