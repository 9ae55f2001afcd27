package export_test

import (
	"os"
	"testing"

	"projhost/testenvs"
)

func TestMain(m *testing.M) { os.Exit(testenvs.Main(m)) }
