package templates

// KeyPage asks an administrator for the key of the program's own pages.
type KeyPage struct {
	Action  string // where the form leads
	Problem string // why the last try was of no use; "" if there was none
}
