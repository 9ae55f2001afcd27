package front

import (
	"context"
	"errors"
	"io"
	"net"
)

// Protocol is what is spoken at the address: "fcgi", "http", ...
func (a Addr) Protocol() string { return a.protocol }

// Secret is what AJP's web server sends with each request, "" without one. It is
// not for logs and messages.
func (a Addr) Secret() string { return a.secret }

// Dial connects to a server that listens on the address. Where connections begin
// with the PROXY protocol's head, it sends one that speaks for itself.
func (a Addr) Dial(ctx context.Context) (net.Conn, error) {
	var c net.Conn
	var err error
	switch a.kind {
	case kindTCP:
		c, err = (&net.Dialer{}).DialContext(ctx, "tcp", a.host)
	case kindUnix:
		c, err = (&net.Dialer{}).DialContext(ctx, "unix", a.path)
	default:
		err = errors.New("a socket that the program has inherited has no address to connect to: name its path or its port, as in fcgi+unix:/run/projhost.sock")
	}
	if err != nil || !a.proxyHead {
		return c, err
	}
	if _, err := io.WriteString(c, "PROXY UNKNOWN\r\n"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
