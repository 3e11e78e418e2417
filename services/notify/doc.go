// Package notify tells what happened. People by mail: a template and its values in, one mail out, and a note of it that
// holds no secret. Other systems by webhooks: a fact in, a signed delivery out for each that asked for it.
//
//	notify.go      the door: SendMail, SendAccountMail, ListMessages
//	many.go        many mails in one call; erasure of an address
//	template.go    templates/NAME: subject, text and HTML, and which values they need
//	mailer.go      what carries a mail: the two ways below
//	smtp.go        to a mail server (SMTP_URL)
//	captured.go    into the database instead, under `mshub up`
//	mailbox.go     /dev/mailbox, where captured mail is read
//	housekeeping.go  what is forgotten, and when
//	webhooks.go      the second door: subscriptions of other systems
//	webhookrules.go  settings, and which addresses and events a webhook may name
//	webhooksecret.go the key of the signatures: made, sealed, used
//	fanout.go        facts -> deliveries; deliveries that nobody makes any more
//	deliver.go       one attempt, and what follows from how it went
//	deliveries.go    what was sent; once more; a ping
//
// A mail is claimed before it is sent and marked after. A repeated call finds it sent and sends nothing; a crash between
// sending and marking sends it again with the same Message-ID, by which mail programs know it for the same.
package notify
