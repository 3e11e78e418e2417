// Package clients keeps the OAuth2 clients.
//
//	builtin.go    those that are part of the house and lie in no table
//	service.go    ClientService: an organisation's own
//	rules.go      what a registration must look like, and that nobody hands on more than they have
//	bootstrap.go  BootstrapService: what `mshub admin` does on the machine itself
//
// A secret is shown once, in the answer that made it; the database has its SHA-256.
package clients
