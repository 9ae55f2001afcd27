// Package session has what Trac remembers of visitors between requests: the
// tables session and session_attribute.
//
// A session is a user's, whose name is its id, or that of somebody who has not
// logged in, whose id is a cookie's.
package session

import "time"

// ID names a session: a user's name, or what the cookie of somebody unknown says.
type ID struct {
	SID           string
	Authenticated bool // a user's
}

// Session is one of a visitor's.
type Session struct {
	ID
	LastVisit  time.Time // exact to the second; zero is unknown
	Attributes map[string]string
}

// Attributes that Trac knows of everybody.
const (
	Name           = "name"
	Email          = "email"
	DefaultHandler = "default_handler"
)

// Names of the values that Trac keeps of users in memory.
const (
	usersKey     = "trac.env.Environment._known_users"
	usersDictKey = "trac.env.Environment._known_users_dict"
)
