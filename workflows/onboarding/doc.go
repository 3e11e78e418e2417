// Package onboarding brings a person into the organisation.
//
//	approver    only if one was given: that the organisation has such a person or role
//	invite      an account, if the address has none, and a one-time link    undo: both go
//	mail        the link goes out                                           undo: a mail that says why not
//	acceptance  the person answers; reminded, then the time is up
//	approval    a person decides; reminded, then the time is up
//	membership  the role is given                                           undo: it is taken away
//	welcome     a last mail, which undoes nothing if it can't be sent
//
// A rejection, a cancel and a silence end the same way: what was done is undone, last first, and the person learns the
// reason.
package onboarding
