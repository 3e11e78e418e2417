package login

import (
	"testing"

	"github.com/microservicehub/mshub/internal/rpc"
)

func TestASentenceNamesWhatThePageShows(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"Name must not be empty.":                              rpc.Invalid("displayName", "must not be empty"),
		"E-mail must be an address.":                           rpc.Invalid("email", "must be an address."),
		"Password needs at least 8 characters.":                rpc.Invalid("password", "needs at least 8 characters"),
		"There is an account already; ask for a link: /reset.": rpc.AlreadyExists("X", "There is an account already; ask for a link: /reset"),
	} {
		if got := sentence(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
