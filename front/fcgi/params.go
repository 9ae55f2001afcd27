package fcgi

import (
	"encoding/binary"
	"errors"
	"fmt"

	"projhost/front/gateway"
)

var (
	errTruncated = errors.New("parameters are truncated")
	errEmptyName = errors.New("a parameter has no name")
)

// decodeParams reads name-value pairs (FastCGI 1.0 section 3.4), at most max of
// them. A pair that does not end where s ends, or earlier, is an error: nothing
// of a malformed list is ever used. The pairs share the memory of s.
func decodeParams(s string, max int) ([]gateway.Pair, error) {
	n := 0
	for rest := s; rest != ""; n++ {
		if n == max {
			return nil, fmt.Errorf("more than %d parameters", max)
		}
		var name string
		var err error
		if name, _, rest, err = nextPair(rest); err != nil {
			return nil, err
		}
		if name == "" {
			return nil, errEmptyName
		}
	}
	pairs := make([]gateway.Pair, n)
	for i := range pairs {
		pairs[i].Name, pairs[i].Value, s, _ = nextPair(s)
	}
	return pairs, nil
}

// nextPair takes the first pair off s.
func nextPair(s string) (name, value, rest string, err error) {
	nl, s, ok := length(s)
	if !ok {
		return "", "", "", errTruncated
	}
	vl, s, ok := length(s)
	// Both are below 2^31, so the sum does not overflow a uint64.
	if !ok || uint64(nl)+uint64(vl) > uint64(len(s)) {
		return "", "", "", errTruncated
	}
	return s[:nl], s[nl : nl+vl], s[nl+vl:], nil
}

// length takes a length off s: one byte below 128, else four of which the
// highest bit is dropped.
func length(s string) (n uint32, rest string, ok bool) {
	if s == "" {
		return 0, "", false
	}
	if s[0] < 0x80 {
		return uint32(s[0]), s[1:], true
	}
	if len(s) < 4 {
		return 0, "", false
	}
	n = uint32(s[0])<<24 | uint32(s[1])<<16 | uint32(s[2])<<8 | uint32(s[3])
	return n &^ (1 << 31), s[4:], true
}

// appendPair appends a pair in the shortest form.
func appendPair(b []byte, name, value string) []byte {
	b = appendLength(b, len(name))
	b = appendLength(b, len(value))
	b = append(b, name...)
	return append(b, value...)
}

func appendLength(b []byte, n int) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	return binary.BigEndian.AppendUint32(b, uint32(n)|1<<31)
}
