package protocol

import (
	"slices"

	"github.com/microservicehub/mshub/internal/auth"
)

// The scopes of OpenID Connect. They open no RPC.
const (
	OpenID        = "openid"
	Profile       = "profile"
	Email         = "email"
	OfflineAccess = "offline_access"
	// Admin is everything in the organisation that the person may do.
	Admin = "admin"
)

// ScopeWords is a scope as a person reads it on the consent page.
type ScopeWords struct{ Scope, Words string }

// Catalogue lists every scope that a client may be given, in the order of the consent page.
var catalogue = []ScopeWords{
	{OpenID, "Know who you are"},
	{Profile, "See your name"},
	{Email, "See your e-mail address"},
	{OfflineAccess, "Keep its access when you are away"},
	{"runs:read", "See processes, runs and tasks"},
	{"runs:write", "Start and steer processes, and decide tasks in your name"},
	{"records:read", "Read datasets and their records"},
	{"records:write", "Read and change datasets and their records"},
	{"files:read", "Read files"},
	{"files:write", "Read, upload and delete files"},
	{"identity:read", "See the people and roles of your organisation"},
	{"identity:write", "Manage the people and roles of your organisation"},
	{"notify:read", "See which messages were sent, and the webhooks"},
	{"notify:write", "See which messages were sent, and manage the webhooks"},
	{"audit:read", "Read the audit trail"},
	{"audit:write", "Read and export the audit trail"},
	{"clients:read", "See the registered applications"},
	{"clients:write", "Register and change applications"},
	{Admin, "Do everything that you may do in your organisation"},
}

// AllScopes returns the names of all scopes.
func AllScopes() []string {
	names := make([]string, len(catalogue))
	for i, s := range catalogue {
		names[i] = s.Scope
	}
	return names
}

// KnownScope reports whether there is such a scope.
func KnownScope(scope string) bool {
	return slices.ContainsFunc(catalogue, func(s ScopeWords) bool { return s.Scope == scope })
}

// InWords explains scopes in the order of the catalogue.
func InWords(scopes []string) []ScopeWords {
	var words []ScopeWords
	for _, s := range catalogue {
		if slices.Contains(scopes, s.Scope) {
			words = append(words, s)
		}
	}
	return words
}

// MayHandOn reports whether the caller may give a client this scope: only what its own token and its own roles cover, so
// that a client can't be used to reach further than the one who registered it.
func MayHandOn(caller auth.Caller, scope string) bool {
	switch scope {
	case OpenID, Profile, Email, OfflineAccess:
		return true
	case Admin:
		return caller.HasScope(Admin) && caller.Has("*")
	}
	if !caller.HasScope(scope) {
		return false
	}
	granted := auth.Caller{Scopes: []string{scope}}
	for _, permission := range auth.Permissions() {
		if granted.HasScope(auth.ScopeOf(permission)) && !caller.Has(permission) {
			return false
		}
	}
	return true
}
