package upgrade

// For tests.
var (
	Verify = verify
	Count  = count
)
