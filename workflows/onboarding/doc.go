// Package onboarding brings a person into the organisation.
//
//	approver         only if one was given: that the organisation has such a person or role
//	invite           an account, if the address has none, and a one-time link    undo: both go
//	mail             the link goes out                                           undo: a mail that says why not
//	acceptance       the person answers; reminded, then the time is up
//	admit            only for documents: the role newcomer, with which one can hand them in    undo: it is taken away
//	documents        only if some were asked for: the person uploads them
//	approval         a person decides, and sees the documents; reminded, handed on, then the time is up
//	second-approval  only for a high limit: another person decides too
//	membership       the role is given                                           undo: it is taken away
//	welcome          a last mail, which undoes nothing if it can't be sent
//	arrival          for employees: whoever approved is told
//
// A rejection, a cancel and a silence end the same way: what was done is undone, last first, and the person learns the
// reason. One address is brought in once at a time; a second run waits, and then finds a member.
//
// workflow.go is the story, mail.go what it writes to people.
package onboarding
