package authserver

import (
	"time"

	"github.com/microservicehub/mshub/authserver/keys"
	"github.com/microservicehub/mshub/authserver/limit"
)

// Timeouts is every duration of the protocol in one place. Access tokens live auth.TokenLifetime.
type Timeouts struct {
	// Code is how long an authorization code waits for its redemption.
	Code time.Duration
	// IDToken is how long an ID token says what it says.
	IDToken time.Duration
	// Refresh is how long a refresh token waits for its use; Family ends all that descend from one sign-in.
	Refresh, Family time.Duration
	// PushedRequest is how long a person may take from the application to the end of consent.
	PushedRequest time.Duration
	// SessionIdle ends a browser session that is not used, SessionAbsolute any.
	SessionIdle, SessionAbsolute time.Duration
	// Keys is the life of a signing key.
	Keys keys.Schedule
	// Evidence is how long used codes and revocations are kept: longer than any access token lives.
	Evidence time.Duration
	// Housekeeping is how often the leader looks.
	Housekeeping time.Duration
}

func timeouts(c Config) Timeouts {
	return Timeouts{
		Code:            time.Minute,
		IDToken:         time.Hour,
		Refresh:         c.RefreshIdle,
		Family:          c.RefreshAbsolute,
		PushedRequest:   10 * time.Minute,
		SessionIdle:     c.SessionIdle,
		SessionAbsolute: c.SessionAbsolute,
		Keys:            keys.Schedule{Active: c.KeyRotation, Prepublish: 24 * time.Hour, Retiring: 24 * time.Hour},
		Evidence:        10 * time.Minute,
		Housekeeping:    time.Minute,
	}
}

// Rates of what strangers may do, an address and an account.
var (
	addressRate = limit.Rate{Burst: 60, Every: time.Second}
	accountRate = limit.Rate{Burst: 15, Every: 4 * time.Second}
	secretRate  = limit.Rate{Burst: 60, Every: time.Second}
)
