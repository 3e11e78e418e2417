package activities

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBeatsUntilStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		beats := 0
		stop := every(3*time.Second, func() { beats++ })
		time.Sleep(10 * time.Second)
		if beats != 3 {
			t.Errorf("%d beats in ten seconds", beats)
		}
		stop()
		time.Sleep(time.Minute)
		if beats != 3 {
			t.Errorf("%d beats after the end", beats)
		}
	})
}
