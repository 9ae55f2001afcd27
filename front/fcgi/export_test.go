package fcgi

// For the tests of the codec.
var (
	DecodeParams = decodeParams
	AppendPair   = appendPair
)
