package front_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"projhost/front"
)

func TestParseAddr(t *testing.T) {
	for _, s := range []string{
		"fcgi+unix:/run/projhost.sock",
		"fcgi+unix:///run/projhost.sock?mode=0600&owner=www-data&group=33",
		"fcgi+unix:relative.sock",
		"fcgi+unix:/run/with%20blank.sock",
		"http+unix:/run/projhost.sock?trust=all",
		"fcgi://127.0.0.1:9000",
		"fcgi://127.0.0.1:9000?peers=127.0.0.1,::1",
		"fcgi+tcp://[::1]:9000",
		"http://localhost:0/",
		"http://127.8.8.8:80?trust=10.0.0.0/8,%20::1",
		"http://[::ffff:127.0.0.1]:80",
		"http://0.0.0.0:80?public=1",
		"http://:80?public=true",
		"http://projects.example.org:80?public=1",
		"fcgi+fd:0",
		"fcgi+fd://3",
		"fcgi+systemd:",
		"fcgi+systemd:projhost.socket",
		"http+systemd:web?prefix=/trac",
		"scgi://127.0.0.1:9000",
		"uwsgi+unix:/run/projhost.sock",
		"ajp+unix:/run/projhost.sock",
		"http://127.0.0.1:80?peers=127.0.0.1",
		"https://[::1]:443?cert=/c&key=/k&trust=::1&user-header=X-Remote-User&strip-user=domain,realm",
		"scgi+unix:/x?lc-time=ru_RU&locale=de_DE",
	} {
		a, err := front.ParseAddr(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		}
		if a.String() != s {
			t.Errorf("%s became %s", s, a)
		}
	}
}

func TestParseAddrErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                                          "not an address",
		"/run/projhost.sock":                        "not an address",
		"127.0.0.1:8000":                            `unknown protocol "127.0.0.1": there are fcgi, scgi, uwsgi, ajp, http`,
		"ajp://127.0.0.1:8009":                      "ajp over TCP needs ?secret=WORD",
		"ajp://127.0.0.1:8009?secret=":              "option secret: is empty",
		"scgi://127.0.0.1:9000?secret=x":            "option secret: is for ajp only",
		"FCGI://127.0.0.1:9000":                     `unknown protocol "FCGI"`,
		"fcgi+pipe:/x":                              `unknown kind of socket "pipe": there are unix, fd and systemd`,
		"fcgi:127.0.0.1:9000":                       `is not like //127.0.0.1:9000`,
		"fcgi://127.0.0.1":                          `is not like //127.0.0.1:9000`,
		"fcgi://127.0.0.1:http":                     `"http" is no port`,
		"fcgi://127.0.0.1:65536":                    `"65536" is no port`,
		"fcgi://127.0.0.1:9000/x":                   `is no port`,
		"fcgi://0.0.0.0:9000":                       "0.0.0.0 is not only this machine: add ?public=1",
		"fcgi://:9000":                              "every address is not only this machine",
		"fcgi://[::]:9000":                          ":: is not only this machine",
		"fcgi://192.0.2.1:9000":                     "192.0.2.1 is not only this machine",
		"fcgi://example.org:9000":                   "example.org is not only this machine",
		"fcgi://0.0.0.0:9000?public=0":              "0.0.0.0 is not only this machine",
		"fcgi://127.0.0.1:9000?public=maybe":        "option public",
		"fcgi+unix:":                                "names no socket",
		"fcgi+unix:/run/":                           "names no socket",
		"fcgi+unix://run/x":                         "is not like unix:/run/projhost.sock",
		"fcgi+unix:@abstract":                       "has no owner and no mode",
		"fcgi+unix:/a%00b":                          "name a file",
		"fcgi+unix:/a%zz":                           "path of the socket",
		"fcgi+unix:/" + strings.Repeat("a", 107):    "longer than 107 bytes",
		"fcgi+unix:/x?mode=999":                     `option mode: "999" is no mode like 0660`,
		"fcgi+unix:/x?mode=01777":                   "is no mode like 0660",
		"fcgi+unix:/x?mode=0":                       "is no mode like 0660",
		"fcgi+unix:/x?public=1":                     "option public is for tcp sockets only",
		"fcgi+unix:/x?mode=0600&mode=0666":          "option mode is given twice",
		"fcgi+unix:/x?moed=0600":                    `unknown option "moed": there are base-url, cert, env,`,
		"fcgi+unix:/x?env=":                         "option env is empty",
		"fcgi+unix:/x?prefix=trac":                  "does not begin with a slash",
		"fcgi+unix:/x?a;b=c":                        "options",
		"fcgi+unix:/x?peers=127.0.0.1":              "option peers is for tcp sockets only",
		"https://127.0.0.1:443":                     "https needs ?cert=FILE",
		"http://127.0.0.1:80?cert=x":                "option cert: is for https only",
		"http://127.0.0.1:80?user-header=X-User":    "user-header needs trust=",
		"http+unix:/x?trust=all&user-header=X_User": `"X_User" is not a name like X-Remote-User`,
		"http+unix:/x?trust=all&user-header=Host":   "Host is a header with a meaning of its own",
		"fcgi+unix:/x?user-header=X-User":           "is for http and https only",
		"http://127.0.0.1:80?proxy-protocol=1":      "proxy-protocol needs trust=",
		"fcgi://127.0.0.1:80?proxy-protocol=1":      "is for http and https only",
		"http+unix:/x?trust=all&proxy-protocol=1&user-header=X-U": "do not go together",
		"fcgi+unix:/x?strip-user=case":                            `"case" is neither domain nor realm`,
		"ajp://127.0.0.1:8009?secret-file=/nosuch":                "option secret-file: open /nosuch",
		"ajp://127.0.0.1:8009?secret=a&secret-file=b":             "a secret is given twice",
		"http://127.0.0.1:80?mode=0600":                           "option mode is for unix sockets only",
		"http://127.0.0.1:80?trust=localhost":                     `option trust: "localhost" is neither an address nor a network`,
		"http://127.0.0.1:80?trust=":                              "is neither an address nor a network",
		"http://127.0.0.1:80?trust=fe80::1%25eth0":                "is neither an address nor a network",
		"fcgi+fd:x":        "is no number of an inherited socket",
		"fcgi+fd:-1":       "is no number of an inherited socket",
		"fcgi+fd:2":        "is no number of an inherited socket",
		"fcgi+systemd:a:b": "is no name of a socket unit",
	} {
		_, err := front.ParseAddr(s)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", s, err, want)
		}
	}
}

func TestSettings(t *testing.T) {
	a, err := front.ParseAddr("fcgi+fd:0?env=/srv/a&env-parent-dir=/srv&base-url=https://h.example/x&index-template=/i.html&template-vars=a%3D1,b%3D2&prefix=/trac")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"TRAC_ENV": "/srv/a", "TRAC_ENV_PARENT_DIR": "/srv", "TRAC_BASE_URL": "https://h.example/x",
		"TRAC_ENV_INDEX_TEMPLATE": "/i.html", "TRAC_TEMPLATE_VARS": "a=1,b=2", "TRAC_URI_ROOT": "/trac",
	}
	if d := cmp.Diff(want, a.Settings()); d != "" {
		t.Error(d)
	}
	a.Settings()["TRAC_ENV"] = "x"
	if a.Settings()["TRAC_ENV"] != "/srv/a" {
		t.Error("the settings can be changed from without")
	}
}

func TestSecretIsNotTold(t *testing.T) {
	for s, want := range map[string]string{
		"ajp://127.0.0.1:8009?secret=s%20x&prefix=/trac": "ajp://127.0.0.1:8009?secret=***&prefix=/trac",
		"ajp+unix:/run/x?%73ecret=s":                     "ajp+unix:/run/x?secret=***",
	} {
		a, err := front.ParseAddr(s)
		if err != nil || a.String() != want {
			t.Errorf("%s became %s, %v", s, a, err)
		}
	}
}

// TestParseTarget: what only who listens must say may be left out, an error
// tells no secret.
func TestParseTarget(t *testing.T) {
	for _, s := range []string{"https://192.0.2.1:443", "http://h.example:80?proxy-protocol=1", "ajp://192.0.2.1:8009?secret=x", "fcgi+unix:/s"} {
		if _, err := front.ParseTarget(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"ajp://192.0.2.1:8009", "http://192.0.2.1", "ajp+unix:/s?secret=hidden&x=%zz"} {
		if _, err := front.ParseTarget(s); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", s, err)
		}
	}
}
