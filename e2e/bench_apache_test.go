package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// behindApache are the servers that are compared there.
func behindApache() []string { return []string{netHTTP, oursHTTP, ours, oursAJP} }

// apacheBackend is a server's address as ProxyPass has it.
func apacheBackend(kind, socket string, n int) string {
	scheme := map[string]string{netHTTP: "http", oursHTTP: "http", ours: "fcgi", oursAJP: "ajp"}[kind]
	return fmt.Sprintf("unix:%s|%s://backend%d", socket, scheme, n)
}

// benchApache starts an Apache with one process in front of the backends, each
// below /N/keep, and returns that process. The sockets become its user's.
func benchApache(b *testing.B, sockets string, all []backend) (url string, child int) {
	b.Helper()
	dir, address := b.TempDir(), freePort(b)
	var conf strings.Builder
	fmt.Fprintf(&conf, `ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
LogLevel error
ServerName localhost
Listen %[2]s
`, dir, address)
	for _, m := range []string{"mpm_event", "authz_core", "proxy", "proxy_http", "proxy_fcgi", "proxy_ajp"} {
		fmt.Fprintf(&conf, "LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", m)
	}
	if os.Getuid() == 0 {
		conf.WriteString("User www-data\nGroup www-data\n")
		if out, err := exec.Command("chown", "-R", "www-data", sockets).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	conf.WriteString("ServerLimit 1\nStartServers 1\nThreadsPerChild 16\nMaxRequestWorkers 16\nMaxKeepAliveRequests 0\n")
	for i, x := range all {
		fmt.Fprintf(&conf, "ProxyPass /%d/keep/ %s/ enablereuse=on max=16\n", i, apacheBackend(x.name, x.socket, i))
	}
	file := filepath.Join(dir, "apache.conf")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	p := measure(b, exec.Command("/usr/sbin/apache2", "-DFOREGROUND", "-f", file))
	p.listens("tcp", address)
	return "http://" + address, onlyChild(b, p.cmd.Process.Pid)
}

// BenchmarkApache compares our servers with net/http behind the same Apache:
// AJP above all, which nginx does not speak.
func BenchmarkApache(b *testing.B) {
	sockets := shortDir(b)
	all := benchBackends(b, sockets, behindApache())
	url, child := benchApache(b, sockets, all)
	race(b, all, url, child, "keep/small", 1, 1) // warms up
	once(b, func() {
		t := race(b, all, url, child, "keep/small", 7, 1)
		const what = "behind Apache, 1 KiB, kept connections: "
		for _, name := range behindApache() {
			line(b, what+name, t[name].String(), "-", true)
		}
		for _, name := range []string{oursHTTP, ours, oursAJP} {
			line(b, what+"req/s of "+name+" against "+netHTTP, fmt.Sprintf("%.2fx", ratio(t[name], t[netHTTP])), "-", true)
		}
	})
}
