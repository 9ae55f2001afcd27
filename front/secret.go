package front

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
)

// maxSecretFile bounds a file with a secret, in bytes.
const maxSecretFile = 4 << 10

// parseSecret reads the option secret, or the first line of the file that
// secret-file names.
func (a *Addr) parseSecret(option, value string) error {
	switch {
	case a.protocol != protocolAJP:
		return fmt.Errorf("is for %s only", protocolAJP)
	case value == "":
		return errors.New("is empty")
	case a.secret != "":
		return errors.New("a secret is given twice")
	case option == "secret":
		a.secret = value
		return nil
	}
	f, err := os.Open(value)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if a.secret = strings.TrimSpace(line); a.secret == "" {
		return fmt.Errorf("the first line of %s is empty", value)
	}
	return nil
}

// checkSecret refuses AJP over TCP without a secret: who reaches the port could
// name any user (CVE-2020-1938).
func (a *Addr) checkSecret() error {
	if a.protocol == protocolAJP && a.kind == kindTCP && a.secret == "" {
		return errors.New("ajp over TCP needs ?secret=WORD or ?secret-file=FILE, the same as secret= of Apache's ProxyPass")
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
