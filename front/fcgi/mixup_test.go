package fcgi_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"projhost/front/fcgi"
	"projhost/front/wire"
)

// mixer answers with many copies of its request's name, in pieces, and reads and
// waits now and then. It goes on after its request is aborted.
var mixer = handler(func(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[1:]
	rnd := rand.New(rand.NewPCG(1, uint64(len(name))+uint64(name[len(name)-1])))
	for range 1 + rnd.IntN(6) {
		switch rnd.IntN(6) {
		case 0:
			runtime.Gosched()
		case 1:
			b, _ := io.ReadAll(r.Body) // fails if the request is aborted
			if !copies(string(b), name) {
				panic(fmt.Sprintf("the body of %s is another's: %.200q", name, b))
			}
		case 2:
			http.NewResponseController(w).Flush()
		case 3:
			if rnd.IntN(10) == 0 {
				panic(http.ErrAbortHandler)
			}
		}
		io.WriteString(w, strings.Repeat(name, rnd.IntN(2000)))
	}
})

// copies reports whether s is the beginning of name again and again.
func copies(s, name string) bool {
	return strings.HasPrefix(strings.Repeat(name, len(s)/len(name)+1), s)
}

// TestNoMixUps has web servers multiplex, abort and use ids again at random, and
// wants nothing to be answered to a request that is not its own.
func TestNoMixUps(t *testing.T) {
	f := serve(t, fcgi.Server{Config: wire.Config{Handler: mixer, Limits: wire.Limits{BodyMemory: 500, TempDir: t.TempDir()}}})
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 0))
			for conn := range 6 {
				(&mixing{client: f.dial(), rnd: rnd, name: fmt.Sprintf("<%d-%d-", seed, conn), active: map[uint16]string{}, text: map[uint16]string{}}).run()
			}
		})
	}
	wg.Wait()
	if log := f.log.String(); strings.Contains(log, "panicked") {
		t.Error(log)
	}
}

// mixing is a connection of such a web server.
type mixing struct {
	*client
	rnd    *rand.Rand
	name   string
	active map[uint16]string // the request that has the id
	text   map[uint16]string // its answer so far
}

func (m *mixing) run() {
	for i := range 40 {
		id := uint16(1 + m.rnd.IntN(3))
		if m.active[id] == "" {
			m.begin(id, fmt.Sprintf("%s%d>", m.name, i))
		}
		if m.rnd.IntN(4) == 0 {
			m.send(record{abort, id, ""})
		}
		for len(m.active) > m.rnd.IntN(3) {
			m.take()
		}
	}
	if m.rnd.IntN(2) == 0 {
		for len(m.active) > 0 {
			m.take()
		}
	}
	m.Close()
}

func (m *mixing) begin(id uint16, name string) {
	m.active[id] = name
	m.send(beginRecord(id, responder, keep), record{params, id, typical("POST", "/"+name)}, record{params, id, ""})
	for range m.rnd.IntN(4) {
		m.send(record{stdin, id, strings.Repeat(name, 1+m.rnd.IntN(300))})
	}
	m.send(record{stdin, id, ""})
}

// take reads a record.
func (m *mixing) take() {
	r, err := m.read()
	if err != nil {
		m.tb.Error(err)
		clear(m.active)
		return
	}
	name := m.active[r.id]
	switch {
	case name == "":
		m.tb.Errorf("a record of request %d, which there is not: %.200q", r.id, r.content)
	case r.kind == stdout:
		m.text[r.id] += r.content
	case r.kind == end:
		head, body, _ := strings.Cut(m.text[r.id], "\r\n\r\n")
		if !strings.HasPrefix(head, "Status: 500") && !copies(body, name) {
			m.tb.Errorf("%s was answered %.200q", name, body)
		}
		if app := binary.BigEndian.Uint32([]byte(r.content)); app > 1 || r.content[4] != complete {
			m.tb.Errorf("%s ended with %q", name, r.content)
		}
		delete(m.active, r.id)
		delete(m.text, r.id)
	}
}
