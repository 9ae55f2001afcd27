package gateway_test

import (
	"encoding/base64"
	"testing"

	"projhost/front/gateway"
)

func TestClaimedUser(t *testing.T) {
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, tt := range map[string]struct {
		vars map[string]string
		want string
	}{
		"nginx without auth_basic":             {map[string]string{"SERVER_SOFTWARE": "nginx/1.22.1", "REMOTE_USER": "ana", "HTTP_AUTHORIZATION": basic("ana:x")}, ""},
		"and no password":                      {map[string]string{"SERVER_SOFTWARE": "nginx", "REMOTE_USER": "ana", "HTTP_AUTHORIZATION": basic("ana")}, ""},
		"and odd spelling":                     {map[string]string{"SERVER_SOFTWARE": "nginx", "REMOTE_USER": "ana", "HTTP_AUTHORIZATION": "bAsIc  YW5hOng"}, ""},
		"and what follows the padding":         {map[string]string{"SERVER_SOFTWARE": "nginx", "REMOTE_USER": "ana", "HTTP_AUTHORIZATION": basic("ana:x1") + "==x"}, ""},
		"nginx with auth_basic, as deploy has": {map[string]string{"SERVER_SOFTWARE": "nginx/1.22.1", "REMOTE_USER": "ana", "AUTH_TYPE": "Basic", "HTTP_AUTHORIZATION": basic("ana:x")}, "ana"},
		"nginx as in Trac's recipe":            {map[string]string{"SERVER_SOFTWARE": "nginx/1.22.1", "REMOTE_USER": "ana", "AUTH_USER": "ana", "HTTP_AUTHORIZATION": basic("ana:x")}, "ana"},
		"nginx with a client certificate":      {map[string]string{"SERVER_SOFTWARE": "nginx/1.22.1", "REMOTE_USER": "ana"}, "ana"},
		"nginx with auth_request":              {map[string]string{"SERVER_SOFTWARE": "nginx/1.22.1", "REMOTE_USER": "ana", "HTTP_AUTHORIZATION": basic("token:x")}, "ana"},
		"Apache":                               {map[string]string{"SERVER_SOFTWARE": "Apache/2.4", "REMOTE_USER": "ana", "HTTP_AUTHORIZATION": basic("ana:x")}, "ana"},
		"a bearer":                             {map[string]string{"SERVER_SOFTWARE": "nginx/1.22.1", "REMOTE_USER": "ana", "HTTP_AUTHORIZATION": "Bearer ana"}, "ana"},
		"nobody":                               {map[string]string{"SERVER_SOFTWARE": "nginx/1.22.1", "REMOTE_USER": "", "HTTP_AUTHORIZATION": basic(":")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			pairs := []gateway.Pair{{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "REQUEST_URI", Value: "/"}, {Name: "PATH_INFO", Value: "/"}}
			for n, v := range tt.vars {
				pairs = append(pairs, gateway.Pair{Name: n, Value: v})
			}
			v, err := gateway.New(nil, pairs)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.RemoteUser(); got != tt.want {
				t.Errorf("RemoteUser() = %q, want %q", got, tt.want)
			}
		})
	}
}
