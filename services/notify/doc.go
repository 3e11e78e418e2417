// Package notify sends mail: a template and its values in, one mail out, and a note of it that holds no secret.
//
//	notify.go      the door: SendMail, SendAccountMail, ListMessages
//	template.go    templates/NAME: subject, text and HTML, and which values they need
//	mailer.go      what carries a mail: the two ways below
//	smtp.go        to a mail server (SMTP_URL)
//	captured.go    into the database instead, under `mshub up`
//	mailbox.go     /dev/mailbox, where captured mail is read
//	housekeeping.go  what is forgotten, and when
//
// A mail is claimed before it is sent and marked after. A repeated call finds it sent and sends nothing; a crash between
// sending and marking sends it again with the same Message-ID, by which mail programs know it for the same.
package notify
