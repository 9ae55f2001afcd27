package stage_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"projhost/internal/stage"
)

// TestStagesWithinStages: each moment counts once, for what is innermost.
func TestStagesWithinStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c stage.Clock
		c.Start(time.Now())
		ctx := stage.NewContext(context.Background(), &c)
		spend := func(s stage.Stage, d time.Duration, inside func()) {
			stage.Of(ctx).Begin(s)
			defer stage.Of(ctx).End(s)
			time.Sleep(d)
			inside()
		}
		nothing := func() {}
		time.Sleep(1 * time.Second)
		spend(stage.Wait, 2*time.Second, nothing)
		spend(stage.Handle, 3*time.Second, func() {
			spend(stage.DB, 4*time.Second, func() { spend(stage.DB, 5*time.Second, nothing) })
			spend(stage.Render, 6*time.Second, func() { spend(stage.DB, 7*time.Second, nothing) })
			time.Sleep(8 * time.Second)
		})
		got := c.Times()
		want := stage.Times{stage.Resolve: 1 * time.Second, stage.Wait: 2 * time.Second, stage.Handle: 11 * time.Second, stage.Render: 6 * time.Second, stage.DB: 16 * time.Second}
		if got != want || got.Total() != 36*time.Second {
			t.Errorf("took %v, %v in all", got, got.Total())
		}
	})
}

// TestStagesInGoroutines: whichever of two ends first, the rest is put down to
// the right stage.
func TestStagesInGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c stage.Clock
		c.Start(time.Now())
		c.Begin(stage.Handle)
		var both sync.WaitGroup
		for i := range 2 {
			both.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				c.Begin(stage.DB)
				time.Sleep(2 * time.Second)
				c.End(stage.DB)
			})
		}
		both.Wait()
		time.Sleep(time.Second)
		if got := c.Times(); got[stage.DB] != 3*time.Second || got[stage.Handle] != time.Second {
			t.Errorf("took %v", got)
		}
	})
}

func TestWithoutClock(t *testing.T) {
	c := stage.Of(context.Background())
	c.Begin(stage.DB)
	c.End(stage.DB)
	if got := c.Times(); got.Total() != 0 {
		t.Errorf("took %v", got)
	}
}

func BenchmarkStage(b *testing.B) {
	var c stage.Clock
	c.Start(time.Now())
	ctx := stage.NewContext(context.Background(), &c)
	b.ReportAllocs()
	for b.Loop() {
		stage.Of(ctx).Begin(stage.DB)
		stage.Of(ctx).End(stage.DB)
	}
}
