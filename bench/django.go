package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"
)

const (
	celeryBatch   = 5_000
	celeryWorkers = 2
)

// measureImportCelery is the same import beside the usual way of doing it in Python: a program that reads the file and
// gives 5,000 rows at a time to Celery's workers, which check the cells and write them with Django's bulk_create. Redis is
// the broker, the PostgreSQL is the same, the two take turns.
func measureImportCelery(ctx context.Context, s sizes) ([]Figure, error) {
	i, err := newImporter(ctx, flights)
	if err != nil {
		return nil, err
	}
	defer i.close()
	peer, err := newCelery(ctx, "celery_import", i.database.URL())
	if err != nil {
		return nil, err
	}
	defer peer.close()
	worker, err := peer.worker("import", celeryWorkers)
	if err != nil {
		return nil, err
	}
	defer end(worker)
	var table struct{ Table string }
	if err := peer.run(ctx, &table, "prepare.py", "1"); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, i.database.URL())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := i.once(); err != nil { // both warm up
		return nil, err
	}
	if _, err := peer.load(ctx, table.Table, 4*celeryBatch); err != nil {
		return nil, err
	}
	var ours, theirs []float64
	for range min(s.samples, 3) {
		if err := perform(ctx, conn, "TRUNCATE records.document", "CHECKPOINT"); err != nil {
			return nil, err
		}
		our, err := i.once()
		if err != nil {
			return nil, err
		}
		if err := perform(ctx, conn, "TRUNCATE records.document", "CHECKPOINT"); err != nil {
			return nil, err
		}
		their, err := peer.load(ctx, table.Table, s.flightsRows)
		if err != nil {
			return nil, err
		}
		ours, theirs = append(ours, our), append(theirs, their)
	}
	return []Figure{
		figure("import of flights.csv.gz beside tasks of 5,000 rows", "rows/s", "ratio >= 5", ours, "Celery 5.7 + Django 5.2 bulk_create", theirs),
	}, nil
}

// load empties the peer's table and fills it: rows/s.
func (c *celery) load(ctx context.Context, table string, rows int) (float64, error) {
	if err := perform(ctx, c.conn, "TRUNCATE "+table, "CHECKPOINT"); err != nil {
		return 0, err
	}
	file, err := filepath.Abs(flights.path)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Rows    int64
		Seconds float64
	}
	if err := c.run(ctx, &answer, "load.py", file, strconv.Itoa(celeryBatch), strconv.Itoa(rows)); err != nil {
		return 0, err
	}
	want := flights.rows
	if rows > 0 {
		want = int64(rows)
	}
	var written int64
	if err := c.conn.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&written); err != nil {
		return 0, err
	}
	if answer.Rows != want || written != want {
		return 0, fmt.Errorf("the peer wrote %d rows and says %d, want %d", written, answer.Rows, want)
	}
	return float64(want) / answer.Seconds, nil
}
