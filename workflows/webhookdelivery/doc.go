// Package webhookdelivery brings one event to one webhook.
//
//	deliver   attempts, days apart at the end, until the address takes it or the delivery is given up
//	people    only if the webhook was disabled for its failures: who looks after it
//	report    they get a mail
//
// It starts on the fact that a delivery is due. The delivery's row in the notify service decides about attempts and their
// pauses; a run that is lost is followed by another one that goes on where it stopped. There is nothing to undo: what was
// sent can't be taken back, and a receiver knows by the id what it has already.
package webhookdelivery
