// Package identity knows people and organisations: who exists, who belongs where, who may do what.
//
//	identity.go       the service, its settings, and the frame of every change: one transaction, once, audited
//	users.go          users as an organisation sees them
//	list.go           the list of users
//	organisations.go  organisations, and who I am
//	memberships.go    who is in the organisation, with which roles
//	roles.go          what a role permits
//	invitations.go    asking a person in, and taking it back
//	bulk.go           many people at once, for a run: the plan, in batches
//	bulkapply.go      a batch: each person in a savepoint, a refusal is that line's
//	bulkend.go        its end: the list of failures, or the undoing
//	bulkfile.go       people as a CSV file names them
//	addressees.go     who is meant by users and roles, for mail
//	digest.go         who wants the daily mail, and the address by which to have no more
//	erasure.go        forgetting a person
//	rules.go          what must hold: an administrator stays, nobody gives more than they have
//	access.go         for the authorization server: what a user may do, and whose access changed
//	signin.go         for the authorization server: e-mail and password, and slowing down who guesses
//	links.go          for the authorization server: sign-up and one-time links
//	redeem.go         what a link does when it is used, exactly once
//	email.go          when two addresses are the same; names
//	password.go       the password rules and argon2id, never more at once than there are cores
//	housekeeping.go   what is forgotten, and when
//	names.go wire.go  resource names; rows as messages
//
// A person is one account in the whole installation; what an organisation knows about people is behind the wall between
// tenants. Two doors: IdentityService for administrators, the console and runs; CredentialService for the authorization
// server alone.
package identity
