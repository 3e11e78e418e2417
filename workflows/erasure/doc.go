// Package erasure forgets a person, as data protection law demands it.
//
//	person       whom the organisation knows by the name or address, and what it knows
//	collect      what the other services hold: runs, records, files, mails, details of the audit
//	approval     another administrator decides, and sees the counts. A dry run ends before
//	runs         runs about the person are waited for, then blanked
//	records      the address becomes a pseudonym, where a dataset says that a column is an address
//	files        what the person uploaded is deleted, or kept without the name
//	messages     the address is taken off the notes of mails
//	account      membership, invitations, and the account if no other organisation knows it
//	audit        details by and about the person are deleted; the chain stays valid
//	verify       every service is asked again what is left
//	certificate  what was done, without personal data, as a file
//
// What is erased can't come back, so nothing is undone: a step that fails parks the run until an operator tries it again.
// Each step finds only what is left, so a second run for the same person does what a first one did not.
package erasure
