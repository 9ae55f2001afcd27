package templates

// DoctorPage shows an administrator what became of one request. Without Parts it
// asks for the key.
type DoctorPage struct {
	Action  string // where the form leads
	Problem string // why the last try was of no use; "" if there was none
	Parts   []DoctorPart
}

// DoctorPart is a table.
type DoctorPart struct {
	Title string
	Rows  []DoctorRow
}

// DoctorRow is a line of it.
type DoctorRow struct {
	Name, Value string
	Mark        string // "ok", "note", "error" or other words before the value; "" for none
}
