package upgrade

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"projhost/db"
	"projhost/envs/defaults"
	"projhost/envs/tracini"
)

// configSteps are the steps that change trac.ini, and little else.
func configSteps() []Step {
	return []Step{
		{To: 29, Does: "Enable the Subversion components by their new names, unless they were disabled.", run: configured(svnComponents),
			backup: "tracopt-svn.bak"},
		{To: 30, Does: "Add ReadonlyWikiPolicy to [trac] permission_policies.", run: configured(readonlyWikiPolicy)},
		{To: 31, Does: "Move [trac] repository_dir to the section [repositories].", run: configured(repositoryDir)},
		{To: 32, Does: "Say of each repository whether it is synchronized with every request.", run: configured(syncPerRequest)},
		{To: 33, Does: "Add actions that make tickets to [ticket-workflow].", run: configured(createActions)},
		{To: 36, Does: "Take [authz_policy] authz_file from the directory of trac.ini.", run: configured(authzFile)},
		{To: 39, Does: "Move options of repositories to the sections [svn] and [versioncontrol].", run: configured(svnOptions)},
		{To: 40, Does: "Make [notification-subscriber] out of the options [notification] always_notify_….", run: configured(subscribers)},
		{To: 41, Does: "Make [mainnav] and [metanav] out of the options of these names in [trac].", run: configured(navigation)},
		{To: 43, Does: "Name DefaultWikiPolicy and DefaultTicketPolicy in [trac] permission_policies.", run: configured(defaultPolicies)},
		{To: 45, Does: "Write the templates of mail subjects with braces.", run: configured(subjectTemplates)},
	}
}

// configured is a step that needs trac.ini.
func configured(run func(*stage) error) func(*stage) error {
	return func(g *stage) error {
		if err := g.ini.load(); err != nil {
			return err
		}
		return run(g)
	}
}

func svnComponents(g *stage) error {
	for _, c := range []string{"svn_fs.subversionconnector", "svn_prop.subversionpropertyrenderer",
		"svn_prop.subversionmergepropertyrenderer", "svn_prop.subversionmergepropertydiffrenderer"} {
		was, ok := g.component("trac.versioncontrol." + c)
		if _, is := g.component("tracopt.versioncontrol.svn." + c); is || ok && !was {
			continue
		}
		g.ini.set("components", "tracopt.versioncontrol.svn."+c, "enabled")
	}
	return nil
}

// component tells what the most special rule of [components] says of one.
func (g *stage) component(name string) (enabled, ok bool) {
	best := -1
	for _, s := range g.ini.section("components") {
		prefix, all := strings.CutSuffix(s.Name, "*")
		if s.Name == name || all && strings.HasPrefix(name, prefix) {
			if len(s.Name) > best {
				best = len(s.Name)
				enabled, _ = tracini.ParseBool(s.Value)
			}
		}
	}
	return enabled, best >= 0
}

// policies returns [trac] permission_policies; ok is false if it is not set, so
// that the default, which changes with the version, is in force.
func (g *stage) policies() (list []string, ok bool) {
	value, ok := g.ini.get("trac", "permission_policies")
	if !ok || strings.TrimSpace(value) == "" {
		return nil, false
	}
	return g.ini.list("trac", "permission_policies", ""), true
}

func (g *stage) setPolicies(list []string) {
	g.ini.set("trac", "permission_policies", strings.Join(list, ","))
}

func readonlyWikiPolicy(g *stage) error {
	list, ok := g.policies()
	if !ok || slices.Contains(list, "ReadonlyWikiPolicy") || slices.Contains(list, "DefaultWikiPolicy") {
		return nil
	}
	at := slices.Index(list, "DefaultPermissionPolicy")
	if at < 0 {
		g.note("[trac] permission_policies has no DefaultPermissionPolicy: add ReadonlyWikiPolicy yourself, or pages marked read-only can be changed")
		return nil
	}
	g.setPolicies(slices.Insert(list, at, "ReadonlyWikiPolicy"))
	return nil
}

func defaultPolicies(g *stage) error {
	list, ok := g.policies()
	if !ok {
		return nil
	}
	old := slices.Index(list, "ReadonlyWikiPolicy")
	at := old
	if at < 0 {
		at = slices.Index(list, "DefaultPermissionPolicy")
	}
	if at < 0 {
		g.note("[trac] permission_policies has no DefaultPermissionPolicy: add DefaultWikiPolicy and DefaultTicketPolicy yourself if you want them")
		return nil
	}
	if old >= 0 {
		list = slices.Delete(list, old, old+1)
	}
	var more []string
	for _, p := range []string{"DefaultWikiPolicy", "DefaultTicketPolicy"} {
		if !slices.Contains(list, p) {
			more = append(more, p)
		}
	}
	g.setPolicies(slices.Insert(list, at, more...))
	return nil
}

func repositoryDir(g *stage) error {
	dir, _ := g.ini.get("trac", "repository_dir")
	known := false
	for _, name := range []string{".dir", ".alias"} {
		_, ok := g.ini.get("repositories", name)
		known = known || ok
	}
	if !known {
		var err error
		if _, known, err = g.repository(""); err != nil {
			return err
		}
	}
	if dir != "" && !known {
		g.ini.set("repositories", ".dir", dir)
		if kind, _ := g.ini.get("trac", "repository_type"); kind != "" {
			g.ini.set("repositories", ".type", kind)
		}
	}
	g.ini.remove("trac", "repository_dir")
	return nil
}

// repository finds a repository that is defined in the database, not only
// remembered there.
func (g *stage) repository(name string) (id int64, ok bool, err error) {
	ok, err = g.tx.One(func(r db.Row) error {
		id = r.Int(0)
		return nil
	}, "SELECT n.id FROM repository n JOIN repository d ON d.id = n.id "+
		"WHERE n.name = 'name' AND n.value = ? AND d.name IN ('dir', 'alias') AND d.value <> ''", name)
	return id, ok, err
}

func syncPerRequest(g *stage) error {
	names := g.ini.list("trac", "repository_sync_per_request", "(default)")
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name == "(default)" {
			name = ""
		}
		id, ok, err := g.repository(name)
		if err != nil {
			return err
		}
		if ok {
			_, err := g.tx.Exec("INSERT INTO repository (id, name, value) VALUES (?, 'sync_per_request', '1')", id)
			if err != nil {
				return err
			}
			continue
		}
		for _, s := range g.ini.section("repositories") {
			if s.Name == strings.ToLower(name)+".dir" {
				g.ini.add("repositories", strings.ToLower(name)+".sync_per_request", "true")
			}
		}
	}
	g.ini.remove("trac", "repository_sync_per_request")
	return nil
}

// createActions adds Trac's two ways of making a ticket, unless there is one.
func createActions(g *stage) error {
	section := g.ini.section("ticket-workflow")
	if len(section) == 0 {
		g.note("there was no [ticket-workflow]: Trac's basic one is written")
		for _, s := range defaults.Workflow() {
			g.ini.set(s.Section, s.Name, s.Value)
		}
		return nil
	}
	assigned := false
	for _, s := range section {
		from, to, ok := strings.Cut(s.Value, "->")
		if strings.Contains(s.Name, ".") || !ok {
			continue
		}
		if slices.ContainsFunc(strings.Split(from, ","), func(state string) bool { return strings.TrimSpace(state) == "<none>" }) {
			return nil
		}
		assigned = assigned || strings.TrimSpace(to) == "assigned"
	}
	free := func(name string) string {
		for n := 2; ; n++ {
			if !slices.ContainsFunc(section, func(s tracini.Setting) bool { return s.Name == name }) {
				return name
			}
			name = fmt.Sprintf("%s_%d", strings.TrimSuffix(name, "_"+strconv.Itoa(n-1)), n)
		}
	}
	for _, s := range defaults.Workflow() {
		action, attribute, _ := strings.Cut(s.Name, ".")
		if action == "create" || action == "create_and_assign" && assigned {
			name := free(action)
			if attribute != "" {
				name += "." + attribute
			}
			g.ini.set(s.Section, name, s.Value)
		}
	}
	return nil
}

// authzFile keeps the file that is meant: a relative name was taken from the
// environment's directory, and is taken from that of trac.ini from now on.
func authzFile(g *stage) error {
	value, _ := g.ini.get("authz_policy", "authz_file")
	if value == "" || filepath.IsAbs(value) {
		return nil
	}
	name, err := filepath.Rel(filepath.Join(g.env.Dir, "conf"), filepath.Join(g.env.Dir, value))
	if err != nil {
		return err
	}
	g.ini.set("authz_policy", "authz_file", filepath.ToSlash(name))
	return nil
}

func svnOptions(g *stage) error {
	g.ini.move("trac", "authz_file", "svn", "authz_file")
	g.ini.move("trac", "authz_module_name", "svn", "authz_module_name")
	g.ini.move("trac", "repository_type", "versioncontrol", "default_repository_type")
	return nil
}

func subscribers(g *stage) error {
	const from, to = "notification", "notification-subscriber"
	updater := g.ini.bool(from, "always_notify_updater", true)
	for _, s := range []struct {
		name, class string
		wanted      bool
	}{
		{"always_notify_cc", "CarbonCopySubscriber", true},
		{"always_notify_owner", "TicketOwnerSubscriber", g.ini.bool(from, "always_notify_owner", false)},
		{"always_notify_reporter", "TicketReporterSubscriber", g.ini.bool(from, "always_notify_reporter", false)},
		{"always_notify_updater", "TicketUpdaterSubscriber", updater},
		{"always_notify_previous_updater", "TicketPreviousUpdatersSubscriber", updater},
	} {
		if s.wanted {
			g.ini.add(to, s.name, s.class)
		}
		g.ini.remove(from, s.name)
	}
	return nil
}

func navigation(g *stage) error {
	for _, n := range []struct{ name, standard string }{
		{"mainnav", "wiki,timeline,roadmap,browser,tickets,newticket,search"},
		{"metanav", "login,logout,prefs,help,about"},
	} {
		for i, item := range g.ini.list("trac", n.name, n.standard) {
			g.ini.add(n.name, strings.ToLower(item)+".order", strconv.Itoa(i+1)+".0")
		}
		g.ini.remove("trac", n.name)
	}
	return nil
}

// subjectTemplates writes names as the new templates want them: "$a.b" becomes
// "${a.b}", and a dollar that was doubled is a plain one.
func subjectTemplates(g *stage) error {
	variable := regexp.MustCompile(`\$\$(?:\{)?|\$[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*`)
	for _, name := range []string{"ticket_subject_template", "batch_subject_template"} {
		value, ok := g.ini.get("notification", name)
		if !ok {
			continue
		}
		now := variable.ReplaceAllStringFunc(value, func(s string) string {
			switch s {
			case "$$":
				return "$"
			case "$${":
				return s // a plain dollar here would begin a variable
			}
			return "${" + s[1:] + "}"
		})
		if now != value {
			g.ini.set("notification", name, now)
		}
	}
	return nil
}
