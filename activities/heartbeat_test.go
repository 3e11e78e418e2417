package activities

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBeatsUntilStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var beats atomic.Int32
		stop := every(3*time.Second, func() { beats.Add(1) })
		time.Sleep(10 * time.Second)
		if beats.Load() != 3 {
			t.Errorf("%d beats in ten seconds", beats.Load())
		}
		stop()
		time.Sleep(time.Minute)
		if beats.Load() != 3 {
			t.Errorf("%d beats after the end", beats.Load())
		}
	})
}
