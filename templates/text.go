package templates

import (
	"context"
	"html"
	"io"

	"github.com/a-h/templ"
)

// Text is a component that writes itself, escaped. "@Text(s)" does what "{ s }"
// does in a template, without the detour of the latter over package fmt, which
// is most of what rendering a page would cost.
type Text string

// Render writes the text.
func (t Text) Render(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, html.EscapeString(string(t)))
	return err
}

// content is the part of a page that its module fills. It is written by hand
// because templ gathers the classes of an element in a map at each rendering.
type content struct {
	class string
	body  templ.Component
}

// Render writes the element around its body.
func (c content) Render(ctx context.Context, w io.Writer) error {
	if _, err := io.WriteString(w, `<div id="content" class="`); err != nil {
		return err
	}
	if err := Text(c.class).Render(ctx, w); err != nil {
		return err
	}
	if _, err := io.WriteString(w, `">`); err != nil {
		return err
	}
	if err := c.body.Render(ctx, w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "</div>")
	return err
}
