package store

import "github.com/jackc/pgx/v5"

// QueueAppend queues AppendEvent in a batch; done is called with its answer.
func QueueAppend(b *pgx.Batch, arg AppendEventParams, done func(AppendEventRow)) {
	b.Queue(appendEvent, arg.OrganisationID, arg.Run, arg.EventID, arg.ProgressID, arg.Event, arg.State, arg.Soft, arg.Done, arg.Total, arg.Unit).
		QueryRow(func(row pgx.Row) error {
			var answer AppendEventRow
			if err := row.Scan(&answer.Seq, &answer.Fresh); err != nil {
				return err
			}
			done(answer)
			return nil
		})
}
