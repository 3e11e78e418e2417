// Package login is how a person comes in.
//
//	/signin  signin.go  e-mail and password         -> session, then return_to
//	/signup  signup.go  name and e-mail             -> a link by mail, whether or not the address is known
//	/reset   reset.go   e-mail                      -> a link by mail, whether or not the address is known
//	/verify  verify.go  a link from mail or machine -> a password if it needs one, then session
//	/unsubscribe  unsubscribe.go  the address below a digest -> no more of them; nobody signs in
//
//	guard.go  slows down whoever guesses, without locking out the person who does not
//	mail.go   mail leaves after the answer, so that the answer's time tells nothing
//
// Who a person is, is the identity service's business; these pages ask it and remember nothing.
package login
