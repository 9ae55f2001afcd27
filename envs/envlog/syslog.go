package envlog

import (
	"log/slog"
	"net"
	"strconv"
	"time"
)

// Bounds of syslog.
const (
	// syslogTime is how long the daemon may take to take a line.
	syslogTime = 200 * time.Millisecond
	// maxDatagram is what daemons take in one piece.
	maxDatagram = 8 << 10
)

// facility is "user", as with Trac (RFC 5424 section 6.2.1).
const facility = 1

// syslog is the daemon's socket.
type syslog struct {
	path string
	conn net.Conn
}

// write sends a line. A daemon that has been started anew has another socket, so
// a second attempt is made with a new one.
func (s *syslog) write(level slog.Level, line []byte) error {
	text := append(strconv.AppendInt([]byte("<"), int64(facility<<3|severity(level)), 10), '>')
	text = append(text, line...)
	text = text[:min(len(text), maxDatagram)]
	if s.conn != nil && s.send(text) == nil {
		return nil
	}
	s.close()
	conn, err := net.DialTimeout("unixgram", s.path, syslogTime)
	if err != nil {
		return err
	}
	s.conn = conn
	if err := s.send(text); err != nil {
		s.close()
		return err
	}
	return nil
}

func (s *syslog) send(text []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(syslogTime)); err != nil {
		return err
	}
	_, err := s.conn.Write(text)
	return err
}

func (s *syslog) close() {
	if s.conn != nil {
		_ = s.conn.Close() // datagrams are sent or not
		s.conn = nil
	}
}

// severity is syslog's number of a level.
func severity(l slog.Level) int {
	switch {
	case l >= critical:
		return 2
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}
