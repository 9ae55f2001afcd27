package front

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseWeb reads the options about certificates and users' names.
func (a *Addr) parseWeb(option, value string) error {
	if value == "" {
		return errors.New("is empty")
	}
	switch option {
	case "cert", "key":
		if a.protocol != protocolHTTPS {
			return fmt.Errorf("is for %s only", protocolHTTPS)
		}
		if option == "cert" {
			a.cert = value
		} else {
			a.key = value
		}
	case "proxy-protocol":
		if a.protocol != protocolHTTP && a.protocol != protocolHTTPS {
			return fmt.Errorf("is for %s and %s only", protocolHTTP, protocolHTTPS)
		}
		var err error
		a.proxyHead, err = strconv.ParseBool(value)
		return err
	case "user-header":
		return a.parseUserHeader(value)
	case "strip-user":
		return a.parseStrip(value)
	}
	return nil
}

// parseUserHeader refuses what is no name of a header, and one with an
// underscore: it is the same variable as one with a hyphen, and web servers drop
// it (GHSA-f59h-q822-g45g is about such aliases).
func (a *Addr) parseUserHeader(value string) error {
	if a.protocol != protocolHTTP && a.protocol != protocolHTTPS {
		return fmt.Errorf("is for %s and %s only; by the other protocols the web server sends REMOTE_USER", protocolHTTP, protocolHTTPS)
	}
	for _, c := range value {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%q is not a name like X-Remote-User", value)
		}
	}
	switch strings.ToLower(value) {
	case "host", "authorization", "cookie", "content-length", "content-type", "connection", "transfer-encoding":
		return fmt.Errorf("%s is a header with a meaning of its own", value)
	}
	a.userHeader = value
	return nil
}

func (a *Addr) parseStrip(value string) error {
	for one := range strings.SplitSeq(value, ",") {
		switch one {
		case "domain":
			a.stripDomain = true
		case "realm":
			a.stripRealm = true
		default:
			return fmt.Errorf("%q is neither domain nor realm", one)
		}
	}
	return nil
}

// checkWeb looks at what options mean together.
func (a *Addr) checkWeb() error {
	switch {
	case a.protocol == protocolHTTPS && a.cert == "":
		return errors.New("https needs ?cert=FILE, and &key=FILE if the key is not in the same file")
	case a.proxyHead && !a.trustAll && len(a.trusted) == 0:
		return errors.New("proxy-protocol needs trust= as well, with the addresses of the proxies that say whose connections are")
	case a.proxyHead && a.userHeader != "":
		return errors.New("proxy-protocol and user-header do not go together: such a proxy passes on what visitors send")
	case a.userHeader != "" && !a.trustAll && len(a.trusted) == 0:
		return errors.New("user-header needs trust= as well, with the addresses of the proxies that may name a user")
	}
	return nil
}
