package web

import (
	"context"
	"log"
	"log/slog"
	"strings"
)

// newErrorLog is for http.Server.ErrorLog.
func newErrorLog(l *slog.Logger) *log.Logger { return log.New(errorLog{l}, "", 0) }

// errorLog takes net/http's lines.
type errorLog struct{ log *slog.Logger }

func (e errorLog) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	e.log.Log(context.Background(), levelOf(line), line)
	return len(p), nil
}

// levelOf tells how much a line matters. A connection that ends before its first
// byte is a health check of a load balancer, which comes every second; what is
// wrong with a PROXY protocol's head has been told.
func levelOf(line string) slog.Level {
	if strings.HasPrefix(line, "http: TLS handshake error from ") &&
		(strings.HasSuffix(line, ": EOF") || strings.HasSuffix(line, ": connection reset by peer") || strings.Contains(line, ": "+proxyError+": ")) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}
