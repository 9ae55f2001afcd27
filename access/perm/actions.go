package perm

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"projhost/envs"
	"projhost/envs/tracini"
	"projhost/internal/fault"
)

// plain lists the actions of Trac 1.6 that imply no other.
const plain = `BROWSER_VIEW CHANGESET_VIEW CONFIG_VIEW EMAIL_VIEW FILE_VIEW LOG_VIEW
	MILESTONE_CREATE MILESTONE_DELETE MILESTONE_MODIFY MILESTONE_VIEW PERMISSION_GRANT PERMISSION_REVOKE
	REPORT_CREATE REPORT_DELETE REPORT_MODIFY REPORT_SQL_VIEW REPORT_VIEW ROADMAP_VIEW SEARCH_VIEW
	TICKET_APPEND TICKET_CHGPROP TICKET_CREATE TICKET_EDIT_CC TICKET_EDIT_COMMENT TICKET_EDIT_DESCRIPTION TICKET_VIEW
	TIMELINE_VIEW WIKI_CREATE WIKI_DELETE WIKI_MODIFY WIKI_RENAME WIKI_VIEW`

// metas lists those that do; TRAC_ADMIN implies all.
const metas = `MILESTONE_ADMIN PERMISSION_ADMIN REPORT_ADMIN ROADMAP_ADMIN TICKET_ADMIN TICKET_BATCH_MODIFY TICKET_MODIFY
	VERSIONCONTROL_ADMIN WIKI_ADMIN ` + Admin

// implied lists what an action brings along (Trac 1.6).
func implied(action string) []string {
	switch action {
	case "TICKET_MODIFY":
		return []string{"TICKET_APPEND", "TICKET_CHGPROP"}
	case "TICKET_BATCH_MODIFY":
		return []string{"TICKET_MODIFY"}
	case "TICKET_ADMIN":
		return []string{"TICKET_CREATE", "TICKET_MODIFY", "TICKET_VIEW", "TICKET_EDIT_CC", "TICKET_EDIT_DESCRIPTION", "TICKET_EDIT_COMMENT", "TICKET_BATCH_MODIFY"}
	case "REPORT_ADMIN":
		return []string{"REPORT_CREATE", "REPORT_DELETE", "REPORT_MODIFY", "REPORT_SQL_VIEW", "REPORT_VIEW"}
	case "MILESTONE_ADMIN":
		return []string{"MILESTONE_CREATE", "MILESTONE_DELETE", "MILESTONE_MODIFY", "MILESTONE_VIEW"}
	case "ROADMAP_ADMIN":
		return []string{"ROADMAP_VIEW", "MILESTONE_ADMIN"}
	case "VERSIONCONTROL_ADMIN":
		return []string{"BROWSER_VIEW", "CHANGESET_VIEW", "FILE_VIEW", "LOG_VIEW"}
	case "PERMISSION_ADMIN":
		return []string{"PERMISSION_GRANT", "PERMISSION_REVOKE"}
	case "WIKI_ADMIN":
		return []string{"WIKI_CREATE", "WIKI_DELETE", "WIKI_MODIFY", "WIKI_RENAME", "WIKI_VIEW"}
	}
	return nil
}

// isUndeclared tells whether Trac asks policies for an action that no module declares:
// it cannot be granted, and no meta action implies it.
func isUndeclared(action string) bool {
	switch action {
	case "ATTACHMENT_CREATE", "ATTACHMENT_DELETE", "ATTACHMENT_VIEW", "TICKET_CHG_MILESTONE", "WIKI_CHANGE_READONLY":
		return true
	}
	return false
}

// Actions returns all that can be granted in a project, sorted.
func Actions(e *envs.Env) []string { return allActions(e.Config()) }

func allActions(config *tracini.Config) []string {
	set := make(actions)
	for a := range strings.FieldsSeq(plain + " " + metas) {
		set[a] = struct{}{}
	}
	for meta, members := range extraActions(config) {
		for _, a := range append(slices.Clip(members), meta) {
			set[a] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// IsAction tells an action from the name of a group or a user: it has letters,
// all of them capitals.
func IsAction(s string) bool {
	letters := false
	for _, r := range s {
		if unicode.IsLower(r) || unicode.IsTitle(r) {
			return false
		}
		letters = letters || unicode.IsUpper(r)
	}
	return letters
}

// Check says what is wrong with entries that are to be added, or nil: an action
// that there is none of, a group's name that could be taken for an action, a
// user's name that is one.
func Check(e *envs.Env, entries []Entry) error {
	known := Actions(e)
	for _, x := range entries {
		upper := strings.ToUpper(x.Action)
		switch {
		case x.Subject == "" || x.Action == "":
			return fault.New(fault.Invalid, "Neither a user nor an action can be empty.")
		case IsAction(x.Subject):
			return fault.New(fault.Invalid, fmt.Sprintf("%s cannot be a user or a group: names in capitals are those of actions.", x.Subject))
		case IsAction(x.Action) && !slices.Contains(known, x.Action):
			return fault.New(fault.Invalid, fmt.Sprintf("%s is no action; these are: %s.", x.Action, strings.Join(known, ", ")))
		case !IsAction(x.Action) && slices.Contains(known, upper):
			return fault.New(fault.Invalid, fmt.Sprintf("%s cannot be a group: only its case tells it from the action %s.", x.Action, upper))
		}
	}
	return nil
}

// extraProvider is the optional part of Trac that reads [extra-permissions].
const extraProvider = "tracopt.perm.config_perm_provider.extrapermissionsprovider"

// extraActions are the actions that trac.ini adds, with those they bring along:
// "META = A, B". The name of a META that begins with "_" counts for nothing.
func extraActions(config *tracini.Config) map[string][]string {
	if !enabled(config, extraProvider, false) {
		return nil
	}
	extra := make(map[string][]string)
	for meta, value := range config.Section("extra-permissions") {
		var members []string
		for _, a := range tracini.ParseList(value) {
			members = append(members, strings.ToUpper(a))
		}
		if meta = strings.ToUpper(meta); !strings.HasPrefix(meta, "_") {
			extra[meta] = append(extra[meta], members...)
			continue
		}
		for _, a := range members {
			extra[a] = slices.Clip(extra[a]) // known, if it was not
		}
	}
	return extra
}

// enabled tells whether [components] has a part of Trac, by its name in small
// letters: the rule that names most of it counts, usual where there is none.
func enabled(config *tracini.Config, name string, usual bool) bool {
	best, on := -1, usual
	for rule, value := range config.Section("components") {
		rule = strings.TrimSuffix(strings.ToLower(rule), ".*")
		if (name == rule || strings.HasPrefix(name, rule+".")) && len(rule) > best {
			best = len(rule)
			on, _ = tracini.ParseBool(value)
		}
	}
	return on
}

// HasComponent tells whether a rule of [components] is about optional parts of Trac
// that this program has, and about no other.
func HasComponent(rule string) bool {
	rule = strings.TrimSuffix(strings.ToLower(rule), ".*")
	for _, name := range []string{extraProvider, rulesComponent} {
		if strings.HasPrefix(rule, "tracopt.perm") && (name == rule || strings.HasPrefix(name, rule+".")) {
			return true
		}
	}
	return false
}
