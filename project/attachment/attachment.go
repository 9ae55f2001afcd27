// Package attachment has the files that people attach to pages, tickets and
// milestones: rows of the table attachment, and bytes below files/attachments.
//
// Row and bytes come and go together ([Write]). Where a file lies is told by
// hashes, so that no name can lead elsewhere, and links out of the directory
// are not followed.
package attachment

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"projhost/access/perm"
	"projhost/db/schema"
	"projhost/internal/fault"
)

// Attachment is a file that belongs to a page, a ticket or a milestone.
type Attachment struct {
	Parent      perm.Resource
	Name        string
	Size        int64 // bytes
	Time        time.Time
	Author      string
	Description string
}

var (
	windowsPath = regexp.MustCompile(`^([A-Za-z]:\\|\\\\)`)
	realmName   = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

// CleanName makes the name of an attachment of what a browser or a command line
// calls a file: its last part, in Unicode's form NFC, without control
// characters. It fails if nothing is left.
func CleanName(name string) (string, error) {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, norm.NFC.String(strings.ToValidUTF8(name, "\ufffd")))
	clean = strings.TrimSpace(clean)
	if windowsPath.MatchString(clean) {
		clean = strings.ReplaceAll(clean, `\`, "/")
	}
	clean = strings.TrimSpace(clean[strings.LastIndexByte(clean, '/')+1:])
	if clean == "" || clean == "." || clean == ".." {
		return "", fault.New(fault.Invalid, fmt.Sprintf("%q cannot be the name of an attachment.", name))
	}
	return clean, nil
}

// place is where the bytes of an attachment lie, below files/attachments.
func place(parent perm.Resource, name string) (string, error) {
	if !realmName.MatchString(parent.Realm) {
		return "", fault.New(fault.Invalid, fmt.Sprintf("%q is nothing that can have attachments.", parent.Realm))
	}
	return schema.AttachmentPath(parent.Realm, parent.ID, name), nil
}

// maxClashes is how many names are tried for a file whose name is taken.
const maxClashes = 100

// another is the nth name for a file whose name is taken: "f.2.txt".
func another(name string, n int) string {
	if n == 1 {
		return name
	}
	ext := path.Ext(strings.TrimLeft(name, "."))
	return fmt.Sprintf("%s.%d%s", strings.TrimSuffix(name, ext), n, ext)
}
