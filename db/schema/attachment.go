package schema

import (
	"crypto/sha1" //nolint:gosec // the names of files, as Trac makes them, no proof of anything
	"encoding/hex"
	"path"
	"regexp"
)

// extension is the end of a file's name that its stored name keeps.
var extension = regexp.MustCompile(`\.[A-Za-z0-9]+\z`)

// AttachmentPath is where Trac keeps an attachment, below files/attachments of
// the environment, with slashes: REALM/HHH/H/F.ext, where H is the SHA-1 of what
// it is attached to, HHH its beginning, and F that of its name (version 28 and
// later). The realm must be one that can be a directory.
func AttachmentPath(realm, id, filename string) string {
	of := hashed(id)
	return path.Join(realm, of[:3], of, hashed(filename)+extension.FindString(filename))
}

func hashed(s string) string {
	sum := sha1.Sum([]byte(s)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}
