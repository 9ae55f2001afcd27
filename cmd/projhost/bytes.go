package main

import (
	"fmt"
	"strconv"
	"strings"
)

// bytesValue is a flag for a number of bytes: "1048576", "64MB", "1GB".
type bytesValue int64

// units are powers of 1024, whatever the letter; the longer names first.
func units() []struct {
	name string
	size int64
} {
	return []struct {
		name string
		size int64
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"B", 1}}
}

// Set implements pflag.Value.
func (b *bytesValue) Set(s string) error {
	size := int64(1)
	digits := strings.ToUpper(strings.TrimSpace(s))
	for _, u := range units() {
		if rest, ok := strings.CutSuffix(digits, u.name); ok {
			digits, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/size {
		return fmt.Errorf("want a number of bytes such as 64MB")
	}
	*b = bytesValue(n * size)
	return nil
}

// String implements pflag.Value.
func (b *bytesValue) String() string {
	for _, u := range units()[:3] {
		if n := int64(*b); n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type implements pflag.Value.
func (b *bytesValue) Type() string { return "bytes" }
