package uwsgi

// Decode is for the fuzz test of the codec.
var Decode = decode
