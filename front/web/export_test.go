package web

// ReadProxyHead is for the tests of the PROXY protocol's parser.
var ReadProxyHead = readProxyHead
