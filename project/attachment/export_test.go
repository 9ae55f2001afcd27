package attachment

import "os"

// Duplicate is how bytes get another name where there are no links.
func Duplicate(root *os.Root, from, to string) error { return duplicate(root, from, to) }
