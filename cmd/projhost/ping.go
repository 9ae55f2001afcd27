package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"projhost/dispatch"
	"projhost/front"
	"projhost/front/gateway"
)

// pingTime is the default of how long ping waits for an answer.
const pingTime = 5 * time.Second

func pingCommand() *cobra.Command {
	var listen string
	var wait time.Duration
	var live bool
	c := &cobra.Command{
		Use:   "ping",
		Short: "Ask a running server whether it is ready",
		Long: "Ping connects to a listener of a running server, as its web server would, asks for\n" +
			dispatch.ReadyPath + ", prints one line and ends with exit code 0 if the server is ready, else 1.\n" +
			"It is for health checks of containers and supervisors, and for init scripts. The\n" +
			"certificate of https is not checked, nor has --listen to name one; ajp needs the\n" +
			"listener's secret or secret-file. With proxy-protocol=1 the listener must trust\n" +
			"the address that ping comes from.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := front.ParseTarget(listen)
			if err != nil {
				return fmt.Errorf("--listen %s: %w", front.HideSecret(listen), err)
			}
			path := dispatch.ReadyPath
			if live {
				path = dispatch.LivePath
			}
			ctx, cancel := context.WithTimeout(c.Context(), wait)
			defer cancel()
			status, text, err := ping(ctx, a, path)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("status %d: %s", status, text)
			}
			if err != nil {
				return failed(fmt.Errorf("%s: %w", a, err))
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", a, text)
			return failed(err)
		},
	}
	c.Flags().StringVar(&listen, "listen", defaultListen, "listener to ask, written as for serve")
	c.Flags().DurationVar(&wait, "timeout", pingTime, "how long to wait")
	c.Flags().BoolVar(&live, "live", false, "ask only whether the server answers, not whether it is ready")
	return c
}

// maxPong bounds what a server may say, in bytes.
const maxPong = 64 << 10

// ping asks for a path of the program's own and returns the first line of the
// answer.
func ping(ctx context.Context, a front.Addr, path string) (status int, text string, err error) {
	c, err := a.Dial(ctx)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = c.Close() }()
	if t, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(t); err != nil {
			return 0, "", err
		}
	}
	path = a.Settings()[gateway.SettingRoot] + path
	switch a.Protocol() {
	case "fcgi":
		status, text, err = pingFCGI(c, path)
	case "scgi":
		status, text, err = pingSCGI(c, path)
	case "uwsgi":
		status, text, err = pingUWSGI(c, path)
	case "ajp":
		status, text, err = pingAJP(c, path, a.Secret())
	case "https":
		// Whom the certificate is for is the visitor's business; here it is the
		// address that was given.
		status, text, err = pingHTTP(tls.Client(c, &tls.Config{InsecureSkipVerify: true}), path) //nolint:gosec // see above
	case "http":
		status, text, err = pingHTTP(c, path)
	default:
		err = fmt.Errorf("ping cannot speak %s", a.Protocol())
	}
	text, _, _ = strings.Cut(text, "\n")
	return status, text, err
}

func pingHTTP(c net.Conn, path string) (status int, text string, err error) {
	r, err := http.NewRequest(http.MethodGet, "http://localhost"+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	r.Close = true
	if err := r.Write(c); err != nil {
		return 0, "", err
	}
	return readHTTP(c, r)
}

// readHTTP reads an answer with a status line.
func readHTTP(c io.Reader, r *http.Request) (status int, text string, err error) {
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(c, maxPong)), r)
	if err != nil {
		return 0, "", fmt.Errorf("no answer of a web server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// Record types of FastCGI 1.0 (section 8) that are used here.
const (
	fcgiBegin  = 1
	fcgiEnd    = 3
	fcgiParams = 4
	fcgiStdin  = 5
	fcgiStdout = 6
)

// pingVars are the variables that a web server sends with a request of a path.
func pingVars(path string) [][2]string {
	return [][2]string{
		{"CONTENT_LENGTH", "0"}, {"SCGI", "1"}, // the first two have to be so by SCGI
		{"REQUEST_METHOD", http.MethodGet}, {"SCRIPT_NAME", ""}, {"PATH_INFO", path}, {"REQUEST_URI", path}, {"QUERY_STRING", ""},
		{"SERVER_PROTOCOL", "HTTP/1.1"}, {"SERVER_NAME", "localhost"}, {"SERVER_PORT", "80"}, {"GATEWAY_INTERFACE", "CGI/1.1"},
		{"REMOTE_ADDR", "127.0.0.1"}, {"REMOTE_PORT", "1"}, {"HTTP_HOST", "localhost"},
	}
}

// pingSCGI sends the variables as a netstring.
func pingSCGI(c io.ReadWriter, path string) (status int, text string, err error) {
	var vars bytes.Buffer
	for _, p := range pingVars(path) {
		vars.WriteString(p[0] + "\x00" + p[1] + "\x00")
	}
	if _, err := fmt.Fprintf(c, "%d:%s,", vars.Len(), vars.Bytes()); err != nil {
		return 0, "", err
	}
	answer, err := io.ReadAll(io.LimitReader(c, maxPong))
	if err != nil {
		return 0, "", fmt.Errorf("no answer of a SCGI program: %w", err)
	}
	return parseCGI(answer)
}

// pingUWSGI sends the variables with modifiers 0; all lengths have the low byte
// first.
func pingUWSGI(c io.ReadWriter, path string) (status int, text string, err error) {
	var vars []byte
	for _, p := range pingVars(path) {
		for _, s := range p {
			vars = binary.LittleEndian.AppendUint16(vars, uint16(len(s)))
			vars = append(vars, s...)
		}
	}
	head := append(binary.LittleEndian.AppendUint16([]byte{0}, uint16(len(vars))), 0)
	if _, err := c.Write(append(head, vars...)); err != nil {
		return 0, "", err
	}
	return readHTTP(c, nil)
}

// pingFCGI does one request without keeping the connection.
func pingFCGI(c io.ReadWriter, path string) (status int, text string, err error) {
	var params, out bytes.Buffer
	for _, p := range pingVars(path) {
		for _, s := range p {
			params.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))|1<<31))
		}
		params.WriteString(p[0] + p[1])
	}
	record := func(kind byte, content []byte) {
		out.Write([]byte{1, kind, 0, 1, byte(len(content) >> 8), byte(len(content)), 0, 0})
		out.Write(content)
	}
	record(fcgiBegin, []byte{0, 1, 0, 0, 0, 0, 0, 0}) // a responder
	record(fcgiParams, params.Bytes())
	record(fcgiParams, nil)
	record(fcgiStdin, nil)
	if _, err := c.Write(out.Bytes()); err != nil {
		return 0, "", err
	}
	answer, err := readFCGI(c)
	if err != nil {
		return 0, "", fmt.Errorf("no answer of a FastCGI program: %w", err)
	}
	return parseCGI(answer)
}

// readFCGI returns the standard output of the one request.
func readFCGI(c io.Reader) ([]byte, error) {
	var out []byte
	in := bufio.NewReader(io.LimitReader(c, maxPong))
	head := make([]byte, 8)
	for {
		if _, err := io.ReadFull(in, head); err != nil {
			return nil, err
		}
		if head[0] != 1 {
			return nil, errors.New("it speaks another protocol")
		}
		length := int(binary.BigEndian.Uint16(head[4:]))
		content := make([]byte, length+int(head[6]))
		if _, err := io.ReadFull(in, content); err != nil {
			return nil, err
		}
		switch head[1] {
		case fcgiStdout:
			out = append(out, content[:length]...)
		case fcgiEnd:
			return out, nil
		}
	}
}

// Codes of AJP/1.3 that are used here.
const (
	ajpForward     = 2
	ajpBody        = 3
	ajpHeaders     = 4
	ajpEnd         = 5
	ajpGet         = 2
	ajpSecret      = 12
	ajpTerminator  = 0xff
	ajpEmptyString = 0xffff
)

// pingAJP does one request.
func pingAJP(c io.ReadWriter, path, secret string) (status int, text string, err error) {
	packet := []byte{0x12, 0x34, 0, 0, ajpForward, ajpGet}
	add := func(s string) {
		packet = append(binary.BigEndian.AppendUint16(packet, uint16(len(s))), s...)
		packet = append(packet, 0)
	}
	add("HTTP/1.1")
	add(path)
	add("127.0.0.1") // whose request it is
	packet = binary.BigEndian.AppendUint16(packet, ajpEmptyString)
	add("localhost")
	packet = append(packet, 0, 80, 0, 0, 1) // port, no TLS, one header:
	add("host")
	add("localhost")
	if secret != "" {
		packet = append(packet, ajpSecret)
		add(secret)
	}
	packet = append(packet, ajpTerminator)
	binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)-4))
	if _, err := c.Write(packet); err != nil {
		return 0, "", err
	}
	status, body, err := readAJP(c)
	if err != nil {
		return 0, "", fmt.Errorf("no answer of an AJP program: %w", err)
	}
	return status, string(body), nil
}

// readAJP returns the answer of the one request.
func readAJP(c io.Reader) (status int, body []byte, err error) {
	in := bufio.NewReader(io.LimitReader(c, maxPong))
	head := make([]byte, 4)
	for {
		if _, err := io.ReadFull(in, head); err != nil {
			return 0, nil, err
		}
		content := make([]byte, binary.BigEndian.Uint16(head[2:]))
		if head[0] != 'A' || head[1] != 'B' || len(content) == 0 {
			return 0, nil, errors.New("it speaks another protocol")
		}
		if _, err := io.ReadFull(in, content); err != nil {
			return 0, nil, err
		}
		switch kind := content[0]; {
		case kind == ajpHeaders && len(content) >= 3:
			status = int(binary.BigEndian.Uint16(content[1:]))
		case kind == ajpBody && len(content) >= 3:
			n := int(binary.BigEndian.Uint16(content[1:]))
			if len(content) < 3+n {
				return 0, nil, errors.New("a part of the body is cut short")
			}
			body = append(body, content[3:3+n]...)
		case kind == ajpEnd:
			return status, body, nil
		}
	}
}

// parseCGI reads an answer as RFC 3875 section 6 has it.
func parseCGI(answer []byte) (status int, text string, err error) {
	in := bufio.NewReader(bytes.NewReader(answer))
	header, err := textproto.NewReader(in).ReadMIMEHeader()
	if err != nil {
		return 0, "", err
	}
	status = http.StatusOK
	if s, _, _ := strings.Cut(header.Get("Status"), " "); s != "" {
		if status, err = strconv.Atoi(s); err != nil {
			return 0, "", fmt.Errorf("status %q is no number", s)
		}
	}
	body, err := io.ReadAll(in)
	return status, string(body), err
}
