// Package templates holds the pages as typed components: the layout that
// surrounds every page of a project, the error pages, the index of projects,
// and the static assets they refer to. A page is data in and HTML out; nothing
// here reads a request, a file or a database.
//
// Render into a buffer and send the buffer: a component that fails in the
// middle must not leave half a page with a visitor.
//
// Every text is escaped where it is written. The few fields that hold HTML end
// in "HTML" and are written as they are: their maker vouches for them. Links
// with a scheme other than http, https, mailto, tel and ftp are replaced by one
// that leads nowhere.
//
// The sub-packages hold the pages of one module each.
package templates

//go:generate go run github.com/a-h/templ/cmd/templ@v0.3.977 generate
