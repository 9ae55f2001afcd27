package front

import (
	"context"
	"errors"
	"net"
)

// Protocol is what is spoken at the address: "fcgi", "http", ...
func (a Addr) Protocol() string { return a.protocol }

// Dial connects to a server that listens on the address.
func (a Addr) Dial(ctx context.Context) (net.Conn, error) {
	switch a.kind {
	case kindTCP:
		return (&net.Dialer{}).DialContext(ctx, "tcp", a.host)
	case kindUnix:
		return (&net.Dialer{}).DialContext(ctx, "unix", a.path)
	}
	return nil, errors.New("a socket that the program has inherited has no address to connect to: name its path or its port, as in fcgi+unix:/run/projhost.sock")
}
