package web_test

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"strings"
	"testing"

	"projhost/front/web"
)

// v2 is a head of version 2.
func v2(command, family byte, body string) string {
	n := len(body)
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{0x20 | command, family, byte(n >> 8), byte(n)}) + body
}

const tcp4 = "\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb"

// checksummed is v2 with its checksum, plus off.
func checksummed(off uint32) string {
	head := v2(1, 0x11, tcp4+"\x03\x00\x04\x00\x00\x00\x00")
	sum := crc32.Checksum([]byte(head), crc32.MakeTable(crc32.Castagnoli)) + off
	return head[:len(head)-4] + string(binary.BigEndian.AppendUint32(nil, sum))
}

func TestProxyHead(t *testing.T) {
	for name, tt := range map[string]struct {
		sent string
		want string // "" is nobody in particular
		err  string
	}{
		"version 1":              {"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", "192.0.2.1:56324", ""},
		"version 1, IPv6":        {"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "[2001:db8::1]:1", ""},
		"version 1, unknown":     {"PROXY UNKNOWN\r\n", "", ""},
		"version 1, unknown, ..": {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", ""},
		"no end":                 {"PROXY TCP4 " + strings.Repeat("1", 200), "", "without an end"},
		"a bare line feed":       {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nGET / HTTP/1.1\r\n", "", "is no"},
		"wrong family":           {"PROXY TCP4 ::1 ::1 1 2\r\n", "", "no address of TCP4"},
		"a zone":                 {"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "", "no address of TCP6"},
		"a leading zero":         {"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "", "no port"},
		"two blanks":             {"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "", "no line"},
		"HTTP":                   {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", "begins with something else"},
		"POST":                   {"POST / HTTP/1.1\r\n", "", "is no line"},
		"cut short":              {"PROXY TCP4 192", "", "EOF"},
		"version 2":              {v2(1, 0x11, tcp4), "192.0.2.1:56324", ""},
		"version 2, IPv6":        {v2(1, 0x21, strings.Repeat("\x20\x01", 16)+"\x00\x01\x00\x02"), "[2001:2001:2001:2001:2001:2001:2001:2001]:1", ""},
		"version 2, local":       {v2(0, 0x00, ""), "", ""},
		"version 2, unix":        {v2(1, 0x31, strings.Repeat("x", 216)), "", ""},
		"version 2, fields":      {v2(1, 0x11, tcp4+"\x04\x00\x02ab\x20\x00\x01c"), "192.0.2.1:56324", ""},
		"version 2, checksum":    {checksummed(0), "192.0.2.1:56324", ""},
		"wrong checksum":         {checksummed(1), "", "checksum is wrong"},
		"short addresses":        {v2(1, 0x11, tcp4[:8]), "", "8 bytes of addresses"},
		"a field cut short":      {v2(1, 0x11, tcp4+"\x04\x00"), "", "cut short"},
		"a field too long":       {v2(1, 0x11, tcp4+"\x04\x00\x09a"), "", "longer than"},
		"version 3":              {strings.Replace(v2(1, 0x11, tcp4), "\x21", "\x31", 1), "", "version 3"},
		"too long":               {"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff", "", "65535 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			in := bufio.NewReader(strings.NewReader(tt.sent + "rest"))
			if tt.err == "EOF" {
				in = bufio.NewReader(strings.NewReader(tt.sent))
			}
			got, err := web.ReadProxyHead(in)
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("%v, want %q", err, tt.err)
			}
			if tt.want != "" && got != netip.MustParseAddrPort(tt.want) || tt.want == "" && got.IsValid() {
				t.Errorf("%v, want %q", got, tt.want)
			}
			if rest, _ := in.ReadString(0); err == nil && rest != "rest" {
				t.Errorf("%q is left", rest)
			}
		})
	}
}

func FuzzProxyHead(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(1, 0x11, tcp4+"\x04\x00\x02ab")))
	f.Add([]byte(checksummed(0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		from, err := web.ReadProxyHead(bufio.NewReader(strings.NewReader(string(data))))
		if err != nil && from.IsValid() {
			t.Errorf("%v and %v", from, err)
		}
		if from.Addr().Zone() != "" {
			t.Errorf("a zone: %v", from)
		}
	})
}
