package try_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"projhost/deploy"
	"projhost/deploy/try"
)

// TestSyntax lets each server that is on this machine read what is written for
// each of its ways, with all that they can do.
func TestSyntax(t *testing.T) {
	for _, s := range deploy.Servers() {
		for _, w := range s.Ways {
			if !try.CanRun(s.Name) {
				if !w.Untested {
					t.Errorf("%s cannot be run and is not marked untested", s.Name)
				}
				continue
			}
			t.Run(s.Name+" "+w.Name, func(t *testing.T) {
				b := newBench(t)
				o := b.options(t)
				o.Server, o.Way, o.Domain, o.LCTime, o.Mounts = s.Name, w.Name, "пример.example", "ru_RU", b.mounts()["several"]
				o.Secret = "0123456789"
				o.TLSCert = filepath.Join(b.dir, "site.pem")
				b.write(t, "site.pem", certificate(t, "127.0.0.1"))
				o.XSendfile, o.Auth = true, deploy.Auth{Kind: deploy.AuthBasic, Realm: strange}
				tame(t, &o)
				if w.Name == "proxy_uwsgi" { // by TLS it cannot have these mounts
					o.TLSCert = ""
				}
				if _, err := deploy.Plan(o); err != nil {
					o.XSendfile = false
				}
				if _, err := deploy.Plan(o); err != nil {
					o.Auth = deploy.Auth{}
				}
				if err := try.Check(context.Background(), o, b.work); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestApacheVariables: "${" is a variable's beginning in every line, from the first.
func TestApacheVariables(t *testing.T) {
	i := slices.IndexFunc(deploy.Servers(), func(s deploy.Server) bool { return s.Name == "apache" })
	for _, w := range deploy.Servers()[i].Ways {
		t.Run(w.Name, func(t *testing.T) {
			b := newBench(t)
			o := b.options(t)
			o.Dir, o.RunDir = filepath.Join(t.TempDir(), "a${b}"), filepath.Dir(b.run)
			letIn(t, filepath.Dir(o.Dir))
			o.Server, o.Way = "apache", w.Name
			o.Mounts = []deploy.Mount{{Path: "/", Parent: b.parent}, {Path: "/${c}", Env: b.alone}}
			if err := try.Check(context.Background(), o, b.work); err != nil {
				t.Error(err)
			}
		})
	}
}

// certificate makes one and its key, in one text.
func certificate(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// TestTLS asks for pages by HTTPS, where links and cookies depend on it.
func TestTLS(t *testing.T) {
	for _, c := range []deploy.Choice{
		{Server: "nginx", Way: "fastcgi"}, {Server: "nginx", Way: "http"},
		{Server: "caddy", Way: "fastcgi"}, {Server: "caddy", Way: "http"},
		{Server: "haproxy", Way: "fastcgi"}, {Server: "haproxy", Way: "http"},
		{Server: "h2o", Way: "fastcgi"}, {Server: "h2o", Way: "http"},
		{Server: "apache", Way: "proxy_fcgi"}, {Server: "apache", Way: "fcgid"},
	} {
		t.Run(c.Server+" "+c.Way, func(t *testing.T) {
			b := newBench(t)
			o := b.options(t)
			o.Server, o.Way, o.Mounts = c.Server, c.Way, b.mounts()["prefix"]
			o.TLSCert = filepath.Join(b.dir, "site.pem")
			if err := os.WriteFile(o.TLSCert, []byte(certificate(t, "127.0.0.1")), 0o600); err != nil {
				t.Fatal(err)
			}
			tame(t, &o)
			s := b.start(t, o, c.Server == "nginx" || c.Server == "caddy" || c.Server == "apache")
			s.pages(o.Mounts[0])
		})
	}
}
