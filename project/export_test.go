package project

import (
	"net/url"
	"strings"
)

// ReadFields reads the body of a form.
func ReadFields(body string) (url.Values, error) { return readFields(strings.NewReader(body)) }
