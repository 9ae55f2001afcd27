package front

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// parseSecret reads the option secret.
func (a *Addr) parseSecret(value string) error {
	switch {
	case a.protocol != protocolAJP:
		return fmt.Errorf("is for %s only", protocolAJP)
	case value == "":
		return errors.New("is empty")
	}
	a.secret = value
	return nil
}

// checkSecret refuses AJP over TCP without a secret: who reaches the port could
// name any user (CVE-2020-1938).
func (a *Addr) checkSecret() error {
	if a.protocol == protocolAJP && a.kind == kindTCP && a.secret == "" {
		return errors.New("ajp over TCP needs ?secret=WORD, the same as secret= of Apache's ProxyPass")
	}
	return nil
}

// HideSecret takes the secret out of an address, for logs and messages.
func HideSecret(s string) string {
	where, query, ok := strings.Cut(s, "?")
	if !ok {
		return s
	}
	options := strings.Split(query, "&")
	for i, o := range options {
		name, _, _ := strings.Cut(o, "=")
		if name, err := url.QueryUnescape(name); err == nil && name == "secret" {
			options[i] = "secret=***"
		}
	}
	return where + "?" + strings.Join(options, "&")
}
