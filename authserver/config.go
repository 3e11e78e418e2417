package authserver

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/internal/config"
)

// Config is the room's settings.
type Config struct {
	// SignUp lets people create an account by themselves; off, accounts come by invitation alone.
	SignUp bool `env:"MSHUB_AUTH_SIGN_UP" envDefault:"true"`
	// SessionIdle ends a browser session that is not used; SessionAbsolute any.
	SessionIdle     time.Duration `env:"MSHUB_AUTH_SESSION_IDLE"     envDefault:"8h"`
	SessionAbsolute time.Duration `env:"MSHUB_AUTH_SESSION_ABSOLUTE" envDefault:"168h"`
	// RefreshIdle is how long a refresh token waits for its use; RefreshAbsolute ends all that descend from one sign-in.
	RefreshIdle     time.Duration `env:"MSHUB_AUTH_REFRESH_IDLE"     envDefault:"720h"`
	RefreshAbsolute time.Duration `env:"MSHUB_AUTH_REFRESH_ABSOLUTE" envDefault:"2160h"`
	// KeyRotation is how long a signing key signs.
	KeyRotation time.Duration `env:"MSHUB_AUTH_KEY_ROTATION" envDefault:"720h"`
}

// Validate reports every fault.
func (c *Config) Validate() error {
	var faults []error
	check := func(variable string, value, least, most time.Duration) {
		if value < least || value > most {
			faults = append(faults, config.Fault(variable, "must be between %s and %s, is %s", least, most, value))
		}
	}
	const day = 24 * time.Hour
	check("MSHUB_AUTH_SESSION_IDLE", c.SessionIdle, 5*time.Minute, 30*day)
	check("MSHUB_AUTH_SESSION_ABSOLUTE", c.SessionAbsolute, 5*time.Minute, 90*day)
	check("MSHUB_AUTH_REFRESH_IDLE", c.RefreshIdle, time.Hour, 180*day)
	check("MSHUB_AUTH_REFRESH_ABSOLUTE", c.RefreshAbsolute, time.Hour, 365*day)
	check("MSHUB_AUTH_KEY_ROTATION", c.KeyRotation, 2*day, 365*day)
	if c.SessionIdle > c.SessionAbsolute {
		faults = append(faults, config.Fault("MSHUB_AUTH_SESSION_IDLE", "is longer than MSHUB_AUTH_SESSION_ABSOLUTE"))
	}
	return errors.Join(faults...)
}

// publicURL reads MSHUB_PUBLIC_URL: the issuer, without a slash at the end.
func publicURL(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(raw, "/"))
	switch {
	case err != nil, u.Host == "", u.User != nil, u.Path != "", u.RawQuery != "", u.Fragment != "":
		return nil, config.Fault("MSHUB_PUBLIC_URL", "must be the address that browsers use, such as https://hub.example.com")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && protocol.Loopback(u.Hostname()):
		return u, nil
	}
	return nil, config.Fault("MSHUB_PUBLIC_URL", "must use https; http is for this machine alone (localhost)")
}
