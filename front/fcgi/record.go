package fcgi

import "encoding/binary"

// recordType is the type of a record (FastCGI 1.0 section 8, FCGI_Header.type).
type recordType uint8

const (
	typeBeginRequest    recordType = 1  // FCGI_BEGIN_REQUEST
	typeAbortRequest    recordType = 2  // FCGI_ABORT_REQUEST
	typeEndRequest      recordType = 3  // FCGI_END_REQUEST
	typeParams          recordType = 4  // FCGI_PARAMS
	typeStdin           recordType = 5  // FCGI_STDIN
	typeStdout          recordType = 6  // FCGI_STDOUT
	typeStderr          recordType = 7  // FCGI_STDERR, never sent: it may end in front of a visitor
	typeData            recordType = 8  // FCGI_DATA, of the filter role only
	typeGetValues       recordType = 9  // FCGI_GET_VALUES
	typeGetValuesResult recordType = 10 // FCGI_GET_VALUES_RESULT
	typeUnknownType     recordType = 11 // FCGI_UNKNOWN_TYPE
)

const (
	protocolVersion = 1 // FCGI_VERSION_1
	headerLen       = 8 // FCGI_HEADER_LEN
	nullID          = 0 // FCGI_NULL_REQUEST_ID, of management records
	maxContent      = 0xffff
	maxAligned      = maxContent &^ 7 // the longest content that needs no padding

	beginLen     = 8 // of the content of FCGI_BEGIN_REQUEST
	flagKeepConn = 1 // FCGI_KEEP_CONN

	roleResponder = 1 // FCGI_RESPONDER

	// Values of protocolStatus in FCGI_END_REQUEST (section 5.5).
	statusComplete    = 0 // FCGI_REQUEST_COMPLETE
	statusOverloaded  = 2 // FCGI_OVERLOADED
	statusUnknownRole = 3 // FCGI_UNKNOWN_ROLE

	// Names a web server may ask with FCGI_GET_VALUES (section 4.1).
	valueMaxConns  = "FCGI_MAX_CONNS"
	valueMaxReqs   = "FCGI_MAX_REQS"
	valueMpxsConns = "FCGI_MPXS_CONNS"
)

// header is what precedes the content of a record (section 3.3).
type header struct {
	version uint8
	kind    recordType
	id      uint16
	length  uint16 // of the content, in bytes
	padding uint8  // bytes after the content, to be skipped
}

// parseHeader reads the first headerLen bytes of b.
func parseHeader(b []byte) header {
	_ = b[headerLen-1]
	return header{
		version: b[0],
		kind:    recordType(b[1]),
		id:      binary.BigEndian.Uint16(b[2:]),
		length:  binary.BigEndian.Uint16(b[4:]),
		padding: b[6],
	}
}

// putHeader writes a header over the first headerLen bytes of b.
func putHeader(b []byte, kind recordType, id uint16, length, padding int) {
	_ = b[headerLen-1]
	b[0] = protocolVersion
	b[1] = byte(kind)
	binary.BigEndian.PutUint16(b[2:], id)
	binary.BigEndian.PutUint16(b[4:], uint16(length))
	b[6] = byte(padding)
	b[7] = 0
}

// paddingFor returns how many bytes bring a content of n bytes to a multiple
// of eight, as section 3.3 recommends.
func paddingFor(n int) int { return -n & 7 }

// appendRecord appends one record; content is at most maxContent bytes.
func appendRecord(b []byte, kind recordType, id uint16, content []byte) []byte {
	var h [headerLen]byte
	pad := paddingFor(len(content))
	putHeader(h[:], kind, id, len(content), pad)
	b = append(b, h[:]...)
	b = append(b, content...)
	var zero [8]byte
	return append(b, zero[:pad]...)
}

// appendEnd appends FCGI_END_REQUEST (section 5.5).
func appendEnd(b []byte, id uint16, app uint32, status uint8) []byte {
	var c [8]byte
	binary.BigEndian.PutUint32(c[:], app)
	c[4] = status
	return appendRecord(b, typeEndRequest, id, c[:])
}
