package main

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
)

// settings are what the house as a whole needs to know; each room has its own beside them.
type settings struct {
	// PublicURL is the only source of issuer, links and allowed origins. http only for loopback.
	PublicURL string `env:"MSHUB_PUBLIC_URL"`
	// SecretKeys: 32 random bytes each in base64, separated by commas; the first seals, all open.
	SecretKeys config.Secret `env:"MSHUB_SECRET_KEYS"`
	// JWKSURL is where tokens' keys are read; empty = PublicURL/oauth2/jwks.
	JWKSURL string `env:"MSHUB_AUTH_JWKS_URL"`

	DatabaseURL     config.Secret `env:"DATABASE_URL"`
	MigrateURL      config.Secret `env:"MSHUB_MIGRATE_DATABASE_URL"`
	DatabaseConns   int32         `env:"MSHUB_DATABASE_CONNS" envDefault:"16"`
	MongoURI        config.Secret `env:"MONGODB_URI"`
	RedisURL        config.Secret `env:"REDIS_URL"`
	TemporalAddress string        `env:"TEMPORAL_ADDRESS"`
	// Namespace in Temporal; `up` creates it.
	Namespace string        `env:"MSHUB_TEMPORAL_NAMESPACE" envDefault:"mshub"`
	SMTPURL   config.Secret `env:"SMTP_URL"`

	Listen           string `env:"MSHUB_LISTEN"`
	OpsListen        string `env:"MSHUB_OPS_LISTEN"`
	TemporalUIListen string `env:"MSHUB_TEMPORAL_UI_LISTEN"`
	Data             string `env:"MSHUB_DATA"`

	// TrustedProxies are the networks of the edge and of the other roles, whose X-Forwarded-For is believed: 10.0.0.0/8.
	TrustedProxies []string     `env:"MSHUB_TRUSTED_PROXIES"`
	proxies        auth.Proxies // as Validate has read them

	// BlobOrigins are where browsers up- and download when files lie in S3: https://BUCKET.s3.REGION.amazonaws.com.
	BlobOrigins []string `env:"MSHUB_WEB_BLOB_ORIGINS"`

	// Peers: where the other roles answer when they run elsewhere: MSHUB_PEERS_RECORDS=http://records:8080.
	Peers peers `envPrefix:"MSHUB_PEERS_"`
}

// peers are base addresses of roles in other processes; empty for roles of this process.
type peers struct {
	Identity   string `env:"IDENTITY"`
	Runs       string `env:"RUNS"`
	Records    string `env:"RECORDS"`
	Files      string `env:"FILES"`
	Notify     string `env:"NOTIFY"`
	Audit      string `env:"AUDIT"`
	Authserver string `env:"AUTHSERVER"`
}

func (p peers) of(role string) string {
	return map[string]string{
		"identity": p.Identity, "runs": p.Runs, "records": p.Records, "files": p.Files,
		"notify": p.Notify, "audit": p.Audit, "authserver": p.Authserver,
	}[role]
}

// Validate checks what can be checked without knowing the command.
func (s *settings) Validate() error {
	var faults []error
	fault := func(variable, format string, args ...any) {
		faults = append(faults, config.Fault(variable, format, args...))
	}
	if s.PublicURL != "" {
		u, err := url.Parse(s.PublicURL)
		switch {
		case err != nil || u.Host == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.User != nil:
			fault("MSHUB_PUBLIC_URL", "must look like https://hub.example.com, without path")
		case u.Scheme == "http" && !loopback(u.Hostname()):
			fault("MSHUB_PUBLIC_URL", "http is for localhost only; use https")
		case u.Scheme != "http" && u.Scheme != "https":
			fault("MSHUB_PUBLIC_URL", "must begin with https:// (or http:// on localhost)")
		}
		s.PublicURL = strings.TrimSuffix(s.PublicURL, "/")
	}
	if s.SecretKeys != "" {
		if _, err := config.ParseKeys(s.SecretKeys); err != nil {
			faults = append(faults, err)
		}
	}
	for variable, value := range map[string]config.Secret{"DATABASE_URL": s.DatabaseURL, "MSHUB_MIGRATE_DATABASE_URL": s.MigrateURL} {
		if value != "" && !strings.HasPrefix(value.Reveal(), "postgres://") && !strings.HasPrefix(value.Reveal(), "postgresql://") {
			fault(variable, "must begin with postgres://")
		}
	}
	if v := s.MongoURI.Reveal(); v != "" && !strings.HasPrefix(v, "mongodb://") && !strings.HasPrefix(v, "mongodb+srv://") {
		fault("MONGODB_URI", "must begin with mongodb://")
	}
	if v := s.RedisURL.Reveal(); v != "" && !strings.HasPrefix(v, "redis://") && !strings.HasPrefix(v, "rediss://") && !strings.HasPrefix(v, "unix://") {
		fault("REDIS_URL", "must begin with redis:// or rediss://")
	}
	for variable, value := range map[string]string{"TEMPORAL_ADDRESS": s.TemporalAddress, "MSHUB_LISTEN": s.Listen, "MSHUB_OPS_LISTEN": s.OpsListen, "MSHUB_TEMPORAL_UI_LISTEN": s.TemporalUIListen} {
		if value == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(value); err != nil {
			fault(variable, "%q is not host:port", value)
		}
	}
	var err error
	if s.proxies, err = auth.ParseProxies(s.TrustedProxies); err != nil {
		fault("MSHUB_TRUSTED_PROXIES", "%s", err)
	}
	for _, origin := range s.BlobOrigins {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || (u.Scheme != "https" && !loopback(u.Hostname())) || u.Scheme+"://"+u.Host != origin {
			fault("MSHUB_WEB_BLOB_ORIGINS", "%q is no origin such as https://bucket.s3.eu-central-1.amazonaws.com", origin)
		}
	}
	return errors.Join(faults...)
}

// complete demands what `serve` can't invent.
func (s *settings) complete(roles []string) error {
	var faults []error
	need := func(variable, value, why string) {
		if value == "" {
			faults = append(faults, config.Fault(variable, "is not set: %s", why))
		}
	}
	need("MSHUB_PUBLIC_URL", s.PublicURL, "the address that people use, for links and tokens")
	need("MSHUB_SECRET_KEYS", s.SecretKeys.Reveal(), "make one: `openssl rand -base64 32`")
	if needsDatabase(roles) {
		need("DATABASE_URL", s.DatabaseURL.Reveal(), "the PostgreSQL that the roles share")
	}
	if slices.ContainsFunc(roles, func(r string) bool { return r == "runs" || r == "worker" || r == "worker-batch" }) {
		need("TEMPORAL_ADDRESS", s.TemporalAddress, "host:port of Temporal's frontend")
	}
	if slices.ContainsFunc(roles, func(r string) bool { return r == "live" || r == "runs" || r == "worker" || r == "worker-batch" }) {
		need("REDIS_URL", s.RedisURL.Reveal(), "live progress is woken through it")
	}
	if slices.Contains(roles, "notify") {
		need("SMTP_URL", s.SMTPURL.Reveal(), "smtp://user:password@host:587")
	}
	for _, role := range peersOf(roles) {
		need("MSHUB_PEERS_"+strings.ToUpper(role), s.Peers.of(role), fmt.Sprintf("the role %s runs in another process; say where", role))
	}
	return errors.Join(faults...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// dataDir is --data, MSHUB_DATA, or the place where the system keeps such things.
func (c *cli) dataDir(flag string) string {
	if dir := cmp.Or(flag, c.environ["MSHUB_DATA"]); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/mshub"
	}
	if base := c.environ["XDG_DATA_HOME"]; base != "" {
		return filepath.Join(base, "mshub")
	}
	return filepath.Join(c.environ["HOME"], ".local", "share", "mshub")
}

// secretsFile keeps the keys that `up` made for itself.
const secretsFile = "secret.keys"

// keys returns MSHUB_SECRET_KEYS, or those of the data directory, made at the first start when create is set.
func (s *settings) keys(data string, create bool) (config.Keys, error) {
	if s.SecretKeys != "" {
		return config.ParseKeys(s.SecretKeys)
	}
	file := filepath.Join(data, secretsFile)
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && create {
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh) // never fails
		raw = []byte(base64.StdEncoding.EncodeToString(fresh) + "\n")
		err = os.WriteFile(file, raw, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("the secret keys: %w", err)
	}
	return config.ParseKeys(config.Secret(strings.TrimSpace(string(raw))))
}
