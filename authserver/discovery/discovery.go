// Package discovery says in public what the server can do: OpenID Connect Discovery and RFC 8414, one document at two
// addresses. What is not in it is not served.
package discovery

import (
	"encoding/json"
	"net/http"

	"github.com/microservicehub/mshub/authserver/protocol"
)

// document holds what clients look for; names are those of the standards.
type document struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	PushedRequestEndpoint string   `json:"pushed_authorization_request_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	ServiceDocumentation  string   `json:"service_documentation"`
	Scopes                []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	IDTokenAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	IntrospectionMethods  []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationMethods     []string `json:"revocation_endpoint_auth_methods_supported"`
	Prompts               []string `json:"prompt_values_supported"`
	Claims                []string `json:"claims_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
	ClaimsParameter       bool     `json:"claims_parameter_supported"`
	IssInResponse         bool     `json:"authorization_response_iss_parameter_supported"`
}

// Handler serves the document of an issuer.
func Handler(issuer string) http.Handler {
	const none = "none"
	withSecret := []string{"client_secret_basic", "client_secret_post"}
	body, err := json.MarshalIndent(document{
		Issuer:                issuer,
		AuthorizationEndpoint: issuer + "/oauth2/authorize",
		TokenEndpoint:         issuer + "/oauth2/token",
		UserinfoEndpoint:      issuer + "/oauth2/userinfo",
		IntrospectionEndpoint: issuer + "/oauth2/introspect",
		RevocationEndpoint:    issuer + "/oauth2/revoke",
		PushedRequestEndpoint: issuer + "/oauth2/par",
		EndSessionEndpoint:    issuer + "/oauth2/logout",
		JWKSURI:               issuer + "/oauth2/jwks",
		ServiceDocumentation:  issuer + "/docs",
		Scopes:                protocol.AllScopes(),
		ResponseTypes:         []string{"code"},
		ResponseModes:         []string{"query"},
		GrantTypes:            []string{"authorization_code", "client_credentials", "refresh_token"},
		SubjectTypes:          []string{"public"},
		IDTokenAlgorithms:     []string{"ES256"},
		ChallengeMethods:      []string{"S256"},
		TokenAuthMethods:      append([]string{none}, withSecret...),
		IntrospectionMethods:  withSecret,
		RevocationMethods:     append([]string{none}, withSecret...),
		Prompts:               []string{none, "login", "consent", "select_account"},
		Claims:                []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "azp", "sid", "name", "email", "email_verified"},
		IssInResponse:         true,
	}, "", "  ")
	if err != nil {
		panic(err) // strings always encode
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(body)
	})
}
