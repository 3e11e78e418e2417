package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHealth()
		var broken error
		release := make(chan struct{})
		h.Add("database", func(context.Context) error { return broken })

		expect := func(code int, want Readiness) {
			t.Helper()
			answer := httptest.NewRecorder()
			h.Ready().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			var got Readiness
			if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" || answer.Code != code {
				t.Errorf("/readyz = %d (-want +got):\n%s", answer.Code, diff)
			}
		}
		expect(http.StatusOK, Readiness{"ready", map[string]Check{"database": {OK: true}}})

		broken = errors.New("the schema is of version 3, needed is 4")
		expect(http.StatusOK, Readiness{"ready", map[string]Check{"database": {OK: true}}}) // an answer is good for a second
		time.Sleep(checkMaxAge)
		expect(http.StatusServiceUnavailable, Readiness{"not ready", map[string]Check{"database": {Reason: broken.Error()}}})

		broken = nil
		h.Add("temporal", func(context.Context) error { <-release; return nil })
		began := time.Now()
		expect(http.StatusServiceUnavailable, Readiness{"not ready", map[string]Check{
			"database": {OK: true}, "temporal": {Reason: "no answer within 2s"},
		}})
		if took := time.Since(began); took != checkTimeout {
			t.Errorf("a check that hangs holds the answer up for %s", took)
		}
		close(release)

		h.Stopping()
		expect(http.StatusServiceUnavailable, Readiness{"stopping", map[string]Check{}})

		alive := httptest.NewRecorder()
		h.Live().ServeHTTP(alive, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		if alive.Code != http.StatusOK {
			t.Errorf("/healthz = %d while stopping", alive.Code)
		}
	})
}
