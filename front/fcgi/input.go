package fcgi

import (
	"strconv"

	"projhost/front/wire"
)

// maxWhole is the longest content that a record may have which is looked at as
// a whole: FCGI_GET_VALUES asks for three values.
const maxWhole = 1 << 10

// consume looks at all that the buffer has: whole records, and what has come of
// the content of FCGI_PARAMS and FCGI_STDIN. It returns nil when more is needed.
func (c *conn) consume() error {
	for {
		if c.discarding {
			c.r, c.w = 0, 0
			return nil
		}
		if !c.inRecord {
			if c.w-c.r < headerLen {
				return nil
			}
			if err := c.openRecord(); err != nil {
				return err
			}
		}
		if c.inContent {
			n := min(c.left, c.w-c.r)
			if n < c.left && (n == 0 || c.rec.whole()) {
				return nil
			}
			if c.rec.length == 0 && c.w-c.r < c.pad {
				// The end of a stream may be answered, and the connection closed,
				// at once: not before the peer has got rid of its padding.
				return nil
			}
			c.inContent = n < c.left
			content := c.in[c.r : c.r+n]
			c.r += n
			c.left -= n
			if err := c.content(content); err != nil {
				return err
			}
			if c.inContent {
				return nil
			}
		}
		n := min(c.pad, c.w-c.r)
		c.r += n
		c.pad -= n
		if c.pad > 0 {
			return nil
		}
		c.inRecord = false
	}
}

// whole reports whether the content is looked at only when all of it is there.
func (h header) whole() bool {
	switch h.kind {
	case typeBeginRequest, typeAbortRequest, typeGetValues:
		return true
	}
	return false
}

// openRecord reads a header.
func (c *conn) openRecord() error {
	c.rec = parseHeader(c.in[c.r:])
	c.r += headerLen
	h := c.rec
	if h.version != protocolVersion {
		return wire.Malformedf("FastCGI version %d is not known", h.version)
	}
	switch {
	case h.kind == typeBeginRequest && (h.id == nullID || h.length != beginLen):
		return wire.Malformedf("FCGI_BEGIN_REQUEST of request %d with %d bytes", h.id, h.length)
	case h.whole() && h.length > maxWhole:
		return wire.Malformedf("a record of type %d with %d bytes", h.kind, h.length)
	}
	c.inRecord, c.inContent = true, true
	c.left, c.pad = int(h.length), int(h.padding)
	return nil
}

// content handles the content of c.rec, or a part of it.
func (c *conn) content(p []byte) error {
	switch id := c.rec.id; c.rec.kind {
	case typeBeginRequest:
		return c.begin(id, p)
	case typeAbortRequest:
		return c.abort(id)
	case typeParams:
		c.params(id, p)
	case typeStdin:
		if r := c.find(id); r != nil {
			r.stdin(p)
		}
	case typeGetValues:
		if id == nullID {
			return c.getValues(p)
		}
	default:
		// Only management records are answered (section 4.2), and once.
		if id == nullID && c.left == 0 {
			return c.reply(appendRecord(nil, typeUnknownType, nullID, []byte{byte(c.rec.kind), 0, 0, 0, 0, 0, 0, 0}))
		}
	}
	return nil
}

// begin is FCGI_BEGIN_REQUEST (section 5.1).
func (c *conn) begin(id uint16, p []byte) error {
	if c.find(id) != nil {
		return wire.Malformedf("request %d is begun twice", id)
	}
	role, keep := uint16(p[0])<<8|uint16(p[1]), p[2]&flagKeepConn != 0
	if role != roleResponder {
		c.warn("fcgi: request refused", "error", "role "+strconv.Itoa(int(role))+" is not supported")
		return c.refuse(id, keep, statusUnknownRole)
	}
	if !c.admit(id, keep) {
		c.warn("fcgi: request refused", "error", "too many requests")
		return c.refuse(id, keep, statusOverloaded)
	}
	return nil
}

// refuse ends a request that never began.
func (c *conn) refuse(id uint16, keep bool, status uint8) error {
	if !keep {
		c.mu.Lock()
		c.closing, c.unread = true, true
		c.mu.Unlock()
	}
	return c.reply(appendEnd(nil, id, 0, status))
}

// admit begins a request, if there may be one more.
func (c *conn) admit(id uint16, keep bool) bool {
	if c.s.Active.Add(1) > int64(c.s.MaxRequests) {
		c.s.Traffic.TurnedAway.Add(1)
		c.s.Active.Add(-1)
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ending := c.dismissed || c.s.Ending.Load()
	if c.dead || c.closing || ending && c.load > 0 || c.load >= c.s.MaxRequestsPerConn {
		c.s.Active.Add(-1)
		return false
	}
	c.mpx = c.mpx || c.load > 0
	c.load++
	c.receiving++
	c.reqs = append(c.reqs, newRequest(c, id, keep))
	return true
}

// find returns a request that has neither ended nor been aborted, or nil:
// records of others are ignored (section 3.3).
func (c *conn) find(id uint16) *request {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.reqs {
		if r.id == id {
			return r
		}
	}
	return nil
}

// abort is FCGI_ABORT_REQUEST (section 5.4). The answer goes out at once, not
// when the handler ends: from here on nothing of it is sent any more.
func (c *conn) abort(id uint16) error {
	c.mu.Lock()
	for i, r := range c.reqs {
		if r.id != id {
			continue
		}
		if !r.abort(wire.ErrAborted) {
			break // it is just being answered
		}
		c.drop(i)
		if !r.paramsEnded {
			c.receiving--
		}
		c.mu.Unlock()
		return c.reply(appendEnd(nil, id, 1, statusComplete))
	}
	c.mu.Unlock()
	return nil
}

// drop takes a request off the list, so that its id may begin another. It needs c.mu.
func (c *conn) drop(i int) {
	r := c.reqs[i]
	last := len(c.reqs) - 1
	c.reqs[i] = c.reqs[last]
	c.reqs[last] = nil
	c.reqs = c.reqs[:last]
	c.closing = c.closing || !r.keep
	c.unread = c.unread || !r.Body.Arrived()
}

// params is FCGI_PARAMS (section 5.2): part of a stream that ends with an empty record.
func (c *conn) params(id uint16, p []byte) {
	r := c.find(id)
	if r == nil || r.paramsEnded {
		return
	}
	switch {
	case len(p) == 0:
		c.paramsEnd(r)
	case len(r.raw)+len(p) > c.s.MaxParamBytes:
		r.tooBig, r.raw = true, nil // answered now, the rest is ignored
		c.paramsEnd(r)
	default:
		if r.raw == nil {
			r.raw, c.spare = c.spare, nil
		}
		r.raw = append(r.raw, p...)
	}
}

// maxSpare bounds the memory that a connection keeps for the next parameters.
const maxSpare = 4 << 10

func (c *conn) paramsEnd(r *request) {
	r.paramsEnded = true
	r.params = string(r.raw)
	if cap(r.raw) > 0 && cap(r.raw) <= maxSpare {
		c.spare = r.raw[:0]
	}
	r.raw = nil
	c.receiving--
	c.ready = append(c.ready, r)
}

// getValues is FCGI_GET_VALUES (section 4.1): names with empty values. Each
// value we know is told once, in the order of the names.
func (c *conn) getValues(p []byte) error {
	pairs, err := decodeParams(string(p), maxWhole)
	if err != nil {
		return wire.Malformedf("FCGI_GET_VALUES: %v", err)
	}
	var out []byte
	told := map[string]bool{}
	for _, q := range pairs {
		var value string
		switch q.Name {
		case valueMaxConns:
			value = strconv.Itoa(c.s.MaxConns)
		case valueMaxReqs:
			value = strconv.Itoa(c.s.MaxRequests)
		case valueMpxsConns:
			value = "1"
		}
		if value != "" && !told[q.Name] {
			told[q.Name] = true
			out = appendPair(out, q.Name, value)
		}
	}
	return c.reply(appendRecord(nil, typeGetValuesResult, nullID, out))
}
