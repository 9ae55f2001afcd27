package try

import (
	"cmp"
	"crypto/md5"  //nolint:gosec // what all these servers read
	"crypto/sha1" //nolint:gosec // the same
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/bcrypt"

	"projhost/deploy"
)

// Users returns the text of a file with one user in it, for the File of a, which
// a server has for authentication. The password is as safe as one that lives for
// as long as a check.
func Users(server string, a deploy.Auth, name, password string) (string, error) {
	if a.Kind == deploy.AuthDigest {
		realm := cmp.Or(a.Realm, "projhost")
		sum := md5.Sum([]byte(name + ":" + realm + ":" + password)) //nolint:gosec // see above
		return fmt.Sprintf("%s:%s:%x\n", name, realm, sum), nil
	}
	switch server {
	case "caddy", "haproxy":
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			return "", err
		}
		if server == "caddy" {
			return fmt.Sprintf("%s %s\n", name, hash), nil
		}
		return fmt.Sprintf("userlist projhost_users\n    user %s password %s\n", name, hash), nil
	case "":
		return "", fmt.Errorf("no server to make a list of users for")
	}
	sum := sha1.Sum([]byte(password)) //nolint:gosec // see above
	return fmt.Sprintf("%s:{SHA}%s\n", name, base64.StdEncoding.EncodeToString(sum[:])), nil
}
