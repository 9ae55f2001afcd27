// Package account holds the pages of signing in and out.
package account

import "projhost/templates"

// NoticePage says why something is not to be had. The zero value of each field
// leaves its part out.
type NoticePage struct {
	Heading string
	Texts   []string // a paragraph each
	Links   []templates.Link
}

// SignOutPage asks whether to sign out.
type SignOutPage struct {
	User   string
	Action string // where the form goes
	Token  string // the form token
	Field  string // the name of its field
	Note   string // what signing out does not do; "" for nothing
	Back   templates.Link
}
