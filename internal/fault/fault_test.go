package fault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"projhost/internal/fault"
)

func TestAs(t *testing.T) {
	own := fault.Wrap(fault.NotFound, "No such page.", errors.New("row missing"))
	for _, c := range []struct {
		name string
		err  error
		kind fault.Kind
	}{
		{"its own", own, fault.NotFound},
		{"wrapped", fmt.Errorf("showing: %w", own), fault.NotFound},
		{"any other", errors.New("disk on fire"), fault.Internal},
		{"canceled", fmt.Errorf("waiting: %w", context.Canceled), fault.Canceled},
		{"too late", fmt.Errorf("waiting: %w", context.DeadlineExceeded), fault.Busy},
	} {
		if got := fault.As(c.err); got.Kind != c.kind {
			t.Errorf("%s: %v, want %v", c.name, got.Kind, c.kind)
		}
	}
	if fault.As(nil) != nil {
		t.Error("no error became one")
	}
	if !errors.Is(own, own.Err) || !strings.Contains(own.Error(), "row missing") {
		t.Errorf("the cause is lost: %v", own)
	}
}
