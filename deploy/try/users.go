package try

import (
	"crypto/sha1" //nolint:gosec // what all these servers read
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// Users returns the text of a file with one user in it, for Options.Auth.File of
// a server with Basic authentication. The password is as safe as one that lives
// for as long as a check.
func Users(server, name, password string) (string, error) {
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
