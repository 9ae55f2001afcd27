package e2e_test

import (
	"debug/buildinfo"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The benchmarks of this folder measure whole processes and compare things
// with each other in one run, in turns. scripts/bench runs them and prints
// their lines as one table; each needs to run only once (-benchtime 1x).

// tableEnv names the file that lines of the table are added to.
const tableEnv = "PROJHOST_BENCH_TABLE"

// line adds a line to the table: what was measured, the figure, its goal ("-"
// for none) and whether it is met.
func line(b *testing.B, what, figure, goal string, met bool) {
	b.Helper()
	verdict := "-"
	if goal != "-" {
		verdict = "missed"
		if met {
			verdict = "met"
		}
	}
	text := strings.Join([]string{what, figure, goal, verdict}, "\t") + "\n"
	path := os.Getenv(tableEnv)
	if path == "" {
		b.Log(text)
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(text); err != nil {
		b.Fatal(err)
	}
}

// once runs what measures by itself, however often the benchmark is run.
func once(b *testing.B, f func()) {
	b.Helper()
	for b.Loop() {
		f()
	}
	b.ReportMetric(0, "ns/op") // which would say nothing
}

// released is the program as it is released. One with the race detector in
// it, as the tests have, is refused: its figures would be wrong.
func released(b *testing.B) string {
	b.Helper()
	info, err := buildinfo.ReadFile(program())
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			b.Fatal("the program has the race detector in it: run `make bench`")
		}
	}
	return program()
}

// measured is a process whose use of the machine is looked at.
type measured struct {
	b      *testing.B
	cmd    *exec.Cmd
	stderr string // a file
}

// measure starts a program; it is stopped with the benchmark.
func measure(b *testing.B, cmd *exec.Cmd, env ...string) *measured {
	b.Helper()
	m := &measured{b: b, cmd: cmd, stderr: filepath.Join(b.TempDir(), "stderr")}
	f, err := os.Create(m.stderr)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.Env = append(cleanEnv(), env...)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		m.stop()
		if b.Failed() {
			text, _ := os.ReadFile(m.stderr)
			b.Logf("%s said:\n%.4000s", filepath.Base(cmd.Path), text)
		}
	})
	return m
}

// stop ends the process, if it has not been stopped yet.
func (m *measured) stop() {
	if m.cmd.ProcessState != nil {
		return
	}
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(30*time.Second, func() { _ = m.cmd.Process.Kill() })
	defer timer.Stop()
	_ = m.cmd.Wait()
}

// listens waits until the process accepts connections.
func (m *measured) listens(network, address string) {
	m.b.Helper()
	for range 1200 {
		if c, err := net.Dial(network, address); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	m.b.Fatalf("nothing listens on %s after 30 s", address)
}

// clockTick is the unit of time in /proc/PID/stat, USER_HZ of Linux.
const clockTick = 10 * time.Millisecond

// cpuOf is the processor time a process has used, in steps of a clock tick.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	sum := 0
	for _, i := range []int{11, 12} { // utime and stime, proc(5)
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum) * clockTick
}

func (m *measured) cpu() time.Duration { return cpuOf(m.b, m.cmd.Process.Pid) }

// resident is the memory a process has, in bytes.
func resident(b *testing.B, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`).FindSubmatch(text)
	if found == nil {
		b.Fatal("no VmRSS in /proc")
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		b.Fatal(err)
	}
	return n << 10
}

// heap is what the garbage collector has last found alive in a process started
// with GODEBUG=gctrace=1, in MiB.
func (m *measured) heap() int {
	m.b.Helper()
	text, err := os.ReadFile(m.stderr)
	if err != nil {
		m.b.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^gc \d+ .*->(\d+) MB, `).FindAllSubmatch(text, -1)
	if all == nil {
		m.b.Fatal("the garbage collector has not run")
	}
	n, err := strconv.Atoi(string(all[len(all)-1][1]))
	if err != nil {
		m.b.Fatal(err)
	}
	return n
}

// load is what one round of wrk has done.
type load struct {
	rate     float64 // requests/s
	requests int
}

// wrk sends requests for some seconds: one thread, eight kept connections,
// what a browser sends.
func wrk(b *testing.B, seconds int, url string, flags ...string) load {
	b.Helper()
	out, err := exec.Command("wrk", append(flags, "-t1", "-c8", fmt.Sprintf("-d%ds", seconds),
		"-H", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"-H", "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"-H", "Accept-Language: en-US,en;q=0.5", "-H", "Accept-Encoding: identity", url)...).CombinedOutput()
	if err != nil {
		b.Fatalf("wrk: %v (is it installed? `make deps`)\n%s", err, out)
	}
	rate := regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)$`).FindSubmatch(out)
	requests := regexp.MustCompile(`(?m)^\s+(\d+) requests in `).FindSubmatch(out)
	if rate == nil || requests == nil || strings.Contains(string(out), "Non-2xx") || strings.Contains(string(out), "Socket errors") {
		b.Fatalf("%s: not every request was answered\n%s", url, out)
	}
	var l load
	if l.rate, err = strconv.ParseFloat(string(rate[1]), 64); err != nil {
		b.Fatal(err)
	}
	if l.requests, err = strconv.Atoi(string(requests[1])); err != nil || l.requests == 0 {
		b.Fatalf("%s: no requests\n%s", url, out)
	}
	return l
}

// median is the middle of the values, the upper one of two.
func median[T int | float64 | time.Duration](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// thousands writes a number as 12,345.
func thousands(f float64) string {
	s := strconv.FormatFloat(f, 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// millis writes a time in milliseconds.
func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + " ms"
}

// micros writes a time in microseconds.
func micros(d time.Duration) string {
	digits := 1
	if d < 10*time.Microsecond {
		digits = 2
	}
	return strconv.FormatFloat(float64(d.Nanoseconds())/1000, 'f', digits, 64) + " µs"
}
