// Package digest mails people what waits for them and what failed, once a day.
//
//	collect  open tasks, and runs that failed since the last time, by whom they concern
//	people   who is meant: a role's tasks concern each active member who has it; without those who want no digest
//	mails    one mail a person, with the address that ends them; nobody without news gets one
//
// Every organisation has it by itself, at seven in the morning; an operator may pause its schedule. A mail that no server
// takes is counted, and stops nobody else's.
package digest
