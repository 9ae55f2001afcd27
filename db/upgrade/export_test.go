package upgrade

// Verify is for tests.
var Verify = verify
