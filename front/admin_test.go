package front_test

import (
	"strings"
	"testing"

	"projhost/front"
)

func TestForAdmins(t *testing.T) {
	for _, tt := range []struct {
		address string
		key     bool
		problem string
	}{
		{"http://127.0.0.1:9000", false, ""},
		{"http://[::1]:9000", false, ""},
		{"http+unix:/run/a.sock", false, ""},
		{"http://127.0.0.1:9000?public=1", false, ""},
		{"http://0.0.0.0:9000?public=1", true, ""},
		{"http://0.0.0.0:9000?public=1", false, "--admin-key-file"},
		{"http+systemd:admin", false, "--admin-key-file"},
		{"http+systemd:admin", true, ""},
		{"fcgi+unix:/run/a.sock", true, "http or https"},
	} {
		a, err := front.ParseAddr(tt.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.ForAdmins(tt.key); (err != nil) != (tt.problem != "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%s, with a key %v: %v, want %q", tt.address, tt.key, err, tt.problem)
		}
	}
}
