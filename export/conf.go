package export

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"projhost/project"
)

// confFile is what nginx needs to know besides where the files are. It also tells
// that a directory is an export.
const confFile = ".export/nginx.conf"

const confHead = `# nginx includes this in a server whose root holds the project's directory at its
# address: the same addresses as before lead to the files.
set $projhost_query -;
if ($args ~ "%s") {
	set $projhost_query $args;
}
`

const confLocation = `location ~ "%s" {
	%stry_files %s =404;
	add_header X-Content-Type-Options nosniff;
	add_header Content-Security-Policy "%s";
}
`

// attachments are addresses of files that people have attached, which are no
// pages of the site.
const attachments = "/raw-attachment/"

// writeConf writes confFile.
func (c *crawl) writeConf() error {
	var b strings.Builder
	fmt.Fprintf(&b, confHead, usableQueries)
	base := "^(?<projhost_base>" + hexQuoted(c.base.Path) + ")"
	const queried = "$projhost_base/" + queryDir + "/$projhost_query$projhost_path/"
	usual := []string{queried + pageFile, queried + textFile, "$projhost_base$projhost_path", "$projhost_base$projhost_path/" + pageFile}
	for _, p := range slices.Sorted(maps.Keys(c.others)) {
		dir := "$projhost_base/" + ownDir(p)
		tries := []string{dir + "/q/$projhost_query/" + pageFile, dir + "/q/$projhost_query/" + textFile}
		// Of a path with a query, that alone may be in the way of something.
		tries = append(tries, usual[:2]...)
		for _, k := range []kind{kindFile, kindPage} {
			tries = append(tries, "$projhost_base/"+otherFileOf(address{path: p}, k))
		}
		c.location(&b, base+"(?<projhost_path>"+hexQuoted(p)+")/?$", p, append(tries, usual[2:]...))
	}
	c.location(&b, base+"(?<projhost_path>"+hexQuoted(attachments)+"(?s).*)$", attachments, usual)
	c.location(&b, base+"(?<projhost_path>/(?s).*)?$", "", usual)
	file := filepath.Join(c.dir, confFile)
	if err := os.MkdirAll(filepath.Dir(file), newDirMode); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

func (c *crawl) location(b *strings.Builder, pattern, p string, tries []string) {
	policy, extra := project.PagePolicy(), ""
	if strings.HasPrefix(p, attachments) {
		policy, extra = "sandbox", "add_header Content-Disposition attachment;\n\t"
	}
	fmt.Fprintf(b, confLocation, pattern, extra, strings.Join(tries, " "), policy)
}

// hexQuoted is a regular expression of nginx's that is s itself. Hexadecimal
// escapes mean nothing to nginx's own quoting.
func hexQuoted(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '/' || c == '-' || c == '_' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return b.String()
}
