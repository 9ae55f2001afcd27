// Package defaults holds what a new environment begins with besides the rows
// that db/schema has: settings of trac.ini, reports, wiki pages and samples of
// templates. Names and meanings are Trac 1.6's, the words are our own.
package defaults

import "projhost/envs/tracini"

// Workflow returns the settings of Trac's basic workflow of tickets.
func Workflow() []tracini.Setting {
	return in("ticket-workflow", []string{
		"leave", "* -> *",
		"leave.default", "1",
		"leave.operations", "leave_status",
		"create", "<none> -> new",
		"create.default", "1",
		"create_and_assign", "<none> -> assigned",
		"create_and_assign.label", "assign",
		"create_and_assign.operations", "may_set_owner",
		"create_and_assign.permissions", "TICKET_MODIFY",
		"accept", "new,assigned,accepted,reopened -> accepted",
		"accept.operations", "set_owner_to_self",
		"accept.permissions", "TICKET_MODIFY",
		"reassign", "new,assigned,accepted,reopened -> assigned",
		"reassign.operations", "set_owner",
		"reassign.permissions", "TICKET_MODIFY",
		"resolve", "new,assigned,accepted,reopened -> closed",
		"resolve.operations", "set_resolution",
		"resolve.permissions", "TICKET_MODIFY",
		"reopen", "closed -> reopened",
		"reopen.operations", "del_resolution",
		"reopen.permissions", "TICKET_CREATE",
	})
}

// Subscribers returns who is told of changes of tickets without asking for it.
func Subscribers() []tracini.Setting {
	return in("notification-subscriber", []string{
		"always_notify_cc", "CarbonCopySubscriber",
		"always_notify_previous_updater", "TicketPreviousUpdatersSubscriber",
		"always_notify_updater", "TicketUpdaterSubscriber",
	})
}

// in makes settings of one section out of names and values by turns.
func in(section string, pairs []string) []tracini.Setting {
	list := make([]tracini.Setting, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, tracini.Setting{Section: section, Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}
