package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// rowsArrived: all good rows after an import that completed, none after one that was cancelled and undone, and what the
// ledger has after one that was cancelled and kept. A replacement that was not finished leaves what was there: nothing.
func rowsArrived(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	all := j.stories(importing, importPaused, importCancel)
	for _, st := range all {
		want := 0
		switch {
		case st.state == "COMPLETED":
			want = st.rows - st.rejects
		case st.keep && st.mode != "REPLACE":
			sum, err := j.ledger(ctx, st.run)
			if err != nil {
				return len(all), nil, err
			}
			want = sum.Inserted
		}
		n, err := j.records(ctx, st, "")
		if err != nil {
			return len(all), nil, err
		}
		if n != want {
			faults = append(faults, fmt.Sprintf("%s has %d records, want %d: the file has %d rows, %d of them bad; %s ended %s (keep: %v)", st.dataset, n, want, st.rows, st.rejects, st.run, st.state, st.keep))
		}
	}
	return len(all), faults, nil
}

// records counts those of a story's dataset, through the API.
func (j *judge) records(ctx context.Context, st *story, filter string) (n int, err error) {
	out, err := j.stage.admin.do(ctx, http.MethodGet, "/v1/"+st.dataset+"/records:count?filter="+url.QueryEscape(filter), "", nil)
	_, _ = fmt.Sscan(text(out["count"]), &n) // 0 is left out
	return n, err
}

// overUndone counts all records, and those that the second import changed or made.
func overUndone(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	all := j.stories(importOver)
	for _, st := range all {
		sum := entries{} // of an import that left nothing
		switch {
		case st.state == "COMPLETED" && st.mode == "DELETE":
			sum.Deleted = st.rows / 2
		case st.state == "COMPLETED":
			sum.Updated, sum.Inserted = st.rows/2, st.rows/2
		case st.keep:
			var err error
			if sum, err = j.ledger(ctx, st.run); err != nil {
				return len(all), nil, err
			}
		}
		n, err := j.records(ctx, st, "")
		if err != nil {
			return len(all), nil, err
		}
		changed, err := j.records(ctx, st, `name="`+changedName+`"`)
		if err != nil {
			return len(all), nil, err
		}
		if n != st.rows+sum.Inserted-sum.Deleted || changed != sum.Updated+sum.Inserted {
			faults = append(faults, fmt.Sprintf("%s has %d records, %d changed, of %d at first; %s (%s) ended %s (keep: %v), which is %+v", st.dataset, n, changed, st.rows, st.run, st.mode, st.state, st.keep, sum))
		}
	}
	return len(all), faults, nil
}

// entries of the ledger of an import, summed up.
type entries struct{ Chunks, Read, Inserted, Updated, Unchanged, Rejected, Deleted int }

// ledger reads it where it lies: with the records.
func (j *judge) ledger(ctx context.Context, run string) (sum entries, err error) {
	if j.documents == nil {
		err = j.db.QueryRow(ctx, `
			SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(inserted), 0), coalesce(sum(updated), 0), coalesce(sum(unchanged), 0), coalesce(sum(rejected), 0), coalesce(sum(deleted), 0)
			FROM records.import_chunk WHERE import_id = $1 AND done`, id(run)).
			Scan(&sum.Chunks, &sum.Read, &sum.Inserted, &sum.Updated, &sum.Unchanged, &sum.Rejected, &sum.Deleted)
		return sum, err
	}
	var organisation, imported uuid.UUID
	if err := j.db.QueryRow(ctx, `SELECT organisation_id, id FROM runs.run WHERE id = $1`, id(run)).Scan(&organisation, &imported); err != nil {
		return sum, err
	}
	first := bytes.Join([][]byte{organisation[:], imported[:]}, nil) // entries are named by these and their number
	last := bytes.Join([][]byte{first, bytes.Repeat([]byte{0xff}, 8)}, nil)
	cursor, err := j.documents.Database(mongoDatabase).Collection("importLedger").Find(ctx, bson.D{{Key: "_id", Value: bson.D{
		{Key: "$gte", Value: bson.Binary{Data: append(first, make([]byte, 8)...)}}, {Key: "$lte", Value: bson.Binary{Data: last}},
	}}})
	if err != nil {
		return sum, err
	}
	var found []entries
	if err := cursor.All(ctx, &found); err != nil {
		return sum, err
	}
	for _, e := range found {
		sum.Chunks++
		sum.Read += e.Read
		sum.Inserted += e.Inserted
		sum.Updated += e.Updated
		sum.Unchanged += e.Unchanged
		sum.Rejected += e.Rejected
		sum.Deleted += e.Deleted
	}
	return sum, nil
}

// ledgerAddsUp: each chunk of the plan is in the ledger once, and its sums are the file's, the import's and the result's.
func ledgerAddsUp(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	for _, st := range j.stories(importing, importPaused, importCancel, importBase) {
		if st.state != "COMPLETED" {
			continue
		}
		looked++
		sum, err := j.ledger(ctx, st.run)
		if err != nil {
			return looked, nil, err
		}
		var chunks, rows int
		var told string
		err = j.db.QueryRow(ctx, `
			SELECT i.chunks, i.rows, concat_ws(' ', r.result ->> 'read', r.result ->> 'inserted', coalesce(r.result ->> 'rejected', '0'))
			FROM records.import i JOIN runs.run r ON r.id = i.id WHERE i.id = $1`, id(st.run)).Scan(&chunks, &rows, &told)
		if err != nil {
			return looked, nil, err
		}
		if rows != st.rows || sum.Chunks != chunks || sum.Read != st.rows || sum.Rejected != st.rejects || sum.Inserted != st.rows-st.rejects || sum.Updated+sum.Unchanged != 0 {
			faults = append(faults, fmt.Sprintf("%s: planned %d rows in %d chunks, in the ledger %+v; the file has %d rows, %d of them bad", st.run, rows, chunks, sum, st.rows, st.rejects))
		}
		if want := fmt.Sprint(st.rows, " ", st.rows-st.rejects, " ", st.rejects); told != want {
			faults = append(faults, fmt.Sprintf("%s told read, inserted, rejected as %s, not %s", st.run, told, want))
		}
	}
	return looked, faults, nil
}

func exportsWhole(_ context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	for _, st := range j.stories(importing) {
		if st.export == "" {
			continue
		}
		looked++
		if want := strconv.Itoa(st.rows - st.rejects); st.exported != want {
			faults = append(faults, fmt.Sprintf("%s of %s wrote %q records, want %s", st.export, st.dataset, st.exported, want))
		}
	}
	return looked, faults, nil
}
