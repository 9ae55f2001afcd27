package templates

import (
	"cmp"
	"net/http"

	"github.com/a-h/templ"
)

// Problem is why a page cannot be shown, in words for its visitor. Nothing
// here may come from a cause: paths, SQL and stacks stay in the log.
type Problem struct {
	Status  int    // HTTP status
	Heading string // "" is a plain name of the status
	Message string // what happened; "" for nothing to add
	Advice  string // what to do now; "" is what usually helps
	ID      string // names the failure in the log; "" for none
	Links   []Link // where to go from here
}

func (p Problem) heading() string {
	if p.Heading != "" {
		return p.Heading
	}
	switch p.Status {
	case http.StatusBadRequest:
		return "This request makes no sense here"
	case http.StatusUnauthorized:
		return "Please sign in first"
	case http.StatusForbidden:
		return "You may not see this"
	case http.StatusNotFound:
		return "Nothing is here"
	case http.StatusMethodNotAllowed:
		return "That cannot be done here"
	case http.StatusConflict:
		return "Somebody else was faster"
	case http.StatusRequestEntityTooLarge:
		return "That is too large"
	case http.StatusTooManyRequests:
		return "Too many tries, please wait a little"
	case http.StatusServiceUnavailable:
		return "Busy, please try again shortly"
	}
	if p.Status >= http.StatusInternalServerError {
		return "Something went wrong here"
	}
	return cmp.Or(http.StatusText(p.Status), "This did not work")
}

func (p Problem) advice() string {
	if p.Advice != "" {
		return p.Advice
	}
	switch p.Status {
	case http.StatusForbidden:
		return "If you have an account, signing in may help. Otherwise ask the people who run this project."
	case http.StatusNotFound:
		return "Check the address for a typing mistake, or start again from the front page."
	case http.StatusConflict:
		return "Go back, reload the page and look at what has changed before trying again."
	case http.StatusServiceUnavailable:
		return "Nothing is lost. Wait a moment, then reload the page."
	}
	if p.Status >= http.StatusInternalServerError {
		return "It is not your fault. Try again later; if it stays like this, tell the people who run this site."
	}
	return ""
}

// Error returns the document that tells of p in the look of the project whose
// chrome c is. It does not change c; without a title the heading becomes it.
func Error(c *Chrome, p Problem) templ.Component {
	around := *c
	around.Title = cmp.Or(c.Title, p.heading())
	around.ContentClass = "error"
	around.Robots = "noindex, nofollow"
	return layout(&around, problem(p, around.home(), "To the front page of "+around.Project))
}

// HostError returns the document that tells of p where there is no project. It
// needs no other file; [HostPolicy] allows all it does.
func HostError(p Problem) templ.Component {
	return hostPage("", p.heading(), "", problem(p, "", ""), false)
}
