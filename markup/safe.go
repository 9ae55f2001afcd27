package markup

import "strings"

// defaultSchemes is the default of [wiki] safe_schemes in Trac 1.6.
func defaultScheme(s string) bool {
	switch s {
	case "cvs", "file", "ftp", "git", "irc", "http", "https", "news", "sftp", "smb", "ssh", "svn", "svn+ssh":
		return true
	}
	return false
}

// safeScheme reports whether addresses of a scheme may be links.
func (o *Options) safeScheme(scheme string) bool {
	if o.SafeSchemes == nil {
		return defaultScheme(strings.ToLower(scheme))
	}
	for _, s := range o.SafeSchemes {
		if strings.EqualFold(s, scheme) {
			return true
		}
	}
	return false
}

// safeHref reports whether href may stand in a link: a path, query or fragment
// of this server, or an address with a safe scheme. Browsers drop white space
// and control characters before and inside a scheme, so anything that has a
// ":" before the first "/", "?" or "#" must be a plain, safe scheme.
func (o *Options) safeHref(href string) bool {
	for i := range len(href) {
		switch href[i] {
		case '/', '?', '#':
			return true
		case ':':
			scheme := href[:i]
			return strings.EqualFold(scheme, "mailto") || o.safeScheme(scheme)
		}
	}
	return true
}
