package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// cliClientID is the public client that every house knows; it may redirect to loopback only.
const cliClientID = "mshub-cli"

// loginScopes is all that a person may do; the token still holds no more than the person's roles.
var loginScopes = []string{"openid", "offline_access", "admin"}

// credentials is what `mshub login` keeps, mode 0600.
type credentials struct {
	URL   string        `json:"url"`
	Token *oauth2.Token `json:"token"`
}

func loginCommand(c *cli) *cobra.Command {
	var noBrowser bool
	cmd := &cobra.Command{
		Use:   "login [URL]",
		Short: "Sign in with the browser (authorization code + PKCE) and remember it",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				c.environ["MSHUB_URL"] = args[0]
			}
			address, err := c.address()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Minute)
			defer cancel()
			token, err := c.authorize(ctx, address, noBrowser)
			if err != nil {
				return err
			}
			if err := c.remember(credentials{URL: address, Token: token}); err != nil {
				return err
			}
			fmt.Fprintln(c.stdout, "signed in to", address)
			return nil
		},
	}
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "only print the address to open")
	return cmd
}

// authorize waits on a loopback port for the browser to come back (RFC 8252).
func (c *cli) authorize(ctx context.Context, address string, noBrowser bool) (*oauth2.Token, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	config := cliConfig(address)
	config.RedirectURL = "http://" + listener.Addr().String() + "/callback"
	verifier, state := oauth2.GenerateVerifier(), randomState()
	type answer struct {
		code string
		err  error
	}
	answers := make(chan answer, 1)
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.URL.Path != "/callback" || query.Get("state") != state {
			http.NotFound(w, r)
			return
		}
		a := answer{code: query.Get("code")}
		if a.code == "" {
			a.err = fmt.Errorf("the sign-in was refused: %s", query.Get("error_description"))
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, "You can close this page and go back to the terminal.")
		select {
		case answers <- a:
		default:
		}
	})}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Shutdown(context.WithoutCancel(ctx)) }()

	link := config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
	fmt.Fprintln(c.stderr, "Open this address to sign in:\n\n  "+link+"\n")
	if !noBrowser {
		openBrowser(ctx, link)
	}
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, a.err
		}
		return config.Exchange(ctx, a.code, oauth2.VerifierOption(verifier))
	case <-ctx.Done():
		return nil, errors.New("nobody signed in")
	}
}

// tokens returns a source of access tokens for the API.
func (c *cli) tokens(address string) (func(context.Context) (string, error), error) {
	if token := c.environ["MSHUB_TOKEN"]; token != "" {
		return func(context.Context) (string, error) { return token, nil }, nil
	}
	if id := c.environ["MSHUB_CLIENT_ID"]; id != "" {
		config := clientcredentials.Config{ClientID: id, ClientSecret: c.environ["MSHUB_CLIENT_SECRET"], TokenURL: address + "/oauth2/token", AuthStyle: oauth2.AuthStyleInHeader}
		return plain(config.TokenSource(context.Background())), nil
	}
	kept, err := c.recall()
	if err != nil || kept.URL != address {
		return nil, fmt.Errorf("you are not signed in to %s: run `mshub login`, or set MSHUB_CLIENT_ID and MSHUB_CLIENT_SECRET", address)
	}
	source := cliConfig(address).TokenSource(context.Background(), kept.Token)
	var mu sync.Mutex
	return func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		token, err := source.Token()
		if err != nil {
			return "", errors.New("the sign-in has ended: run `mshub login` again")
		}
		if token.AccessToken != kept.Token.AccessToken {
			// The refresh token was rotated: the old one is worthless now.
			kept.Token = token
			if err := c.remember(kept); err != nil {
				return "", err
			}
		}
		return token.AccessToken, nil
	}, nil
}

func plain(source oauth2.TokenSource) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		token, err := source.Token()
		if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
			if refused.ErrorCode == "" {
				return "", fmt.Errorf("%s is no MicroServiceHub: it answered %s; set MSHUB_URL", refused.Response.Request.URL, refused.Response.Status)
			}
			return "", fmt.Errorf("MSHUB_CLIENT_ID / MSHUB_CLIENT_SECRET were refused: %s", refused.ErrorCode)
		}
		if err != nil {
			return "", fmt.Errorf("the house does not answer (MSHUB_URL): %w", err)
		}
		return token.AccessToken, nil
	}
}

func cliConfig(address string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: cliClientID,
		Scopes:   loginScopes,
		Endpoint: oauth2.Endpoint{AuthURL: address + "/oauth2/authorize", TokenURL: address + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams},
	}
}

func (c *cli) credentialsFile() string {
	base := c.environ["XDG_CONFIG_HOME"]
	if base == "" {
		base = filepath.Join(c.environ["HOME"], ".config")
	}
	return filepath.Join(base, "mshub", "credentials.json")
}

func (c *cli) remember(kept credentials) error {
	raw, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	file := c.credentialsFile()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, raw, 0o600)
}

func (c *cli) recall() (credentials, error) {
	var kept credentials
	raw, err := os.ReadFile(c.credentialsFile())
	if err != nil {
		return kept, err
	}
	if err := json.Unmarshal(raw, &kept); err != nil || kept.Token == nil {
		return kept, errors.New("the kept sign-in can't be read")
	}
	return kept, nil
}

func (c *cli) lastURL() string {
	kept, err := c.recall()
	if err != nil {
		return ""
	}
	return kept.URL
}

func randomState() string {
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}

// openBrowser does its best; the address was printed.
func openBrowser(ctx context.Context, link string) {
	command := "xdg-open"
	if runtime.GOOS == "darwin" {
		command = "open"
	}
	_ = exec.CommandContext(ctx, command, link).Start()
}
