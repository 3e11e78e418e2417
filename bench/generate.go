package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// measureImportGenerated does with a generated file what measureImport does with flights.csv.gz, and watches the memory of
// the mshub process meanwhile. Whether it grows with the file is seen by the peer: a file of a tenth of the rows, imported
// by the same process before.
func measureImportGenerated(ctx context.Context, s sizes) ([]Figure, error) {
	dir, err := os.MkdirTemp("", "mshub-bench-rows-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	small, err := generate(filepath.Join(dir, "small.csv"), s.rows/10, s.width)
	if err != nil {
		return nil, err
	}
	large, err := generate(filepath.Join(dir, "large.csv"), s.rows, s.width)
	if err != nil {
		return nil, err
	}
	i, err := newImporter(ctx, small)
	if err != nil {
		return nil, err
	}
	defer i.close()
	mshub := i.cmd.Process.Pid
	var before []float64
	samples := min(s.samples, 3)
	for range samples + 1 {
		w, err := watch(mshub, func() error { _, err := i.once(); return err })
		if err != nil {
			return nil, err
		}
		before = append(before, w.max)
	}
	before = before[1:] // the first one warmed up
	if err := i.take(large); err != nil {
		return nil, err
	}
	peer, err := i.copyPeer(ctx)
	if err != nil {
		return nil, err
	}
	defer peer.close(ctx)
	var ours, theirs, start, most, end []float64
	for range samples {
		w, err := watch(mshub, func() error {
			our, their, err := peer.turn(ctx)
			ours, theirs = append(ours, our), append(theirs, their)
			return err
		})
		if err != nil {
			return nil, err
		}
		start, most, end = append(start, w.start), append(most, w.max), append(end, w.end)
	}
	what := fmt.Sprintf("import of %s generated rows (%s)", number(float64(s.rows)), bytesOf(large.path))
	return []Figure{
		figure(what+" into PostgreSQL", "rows/s", goalOfCopy, ours, "COPY of the same rows", theirs),
		figure("resident memory of mshub before that", "MiB", "-", start, "", nil),
		figure("greatest during it", "MiB", "ratio <= 1.25", most, "a tenth of the rows", before),
		figure("behind it", "MiB", "-", end, "", nil),
	}, nil
}

// generate writes a CSV file of so many rows: a number as key, a text of the given width, an amount, a day, a time, a flag
// and a cell that is sometimes empty. The same arguments give the same bytes.
func generate(path string, rows, width int) (source, error) {
	file, err := os.Create(path)
	if err != nil {
		return source{}, err
	}
	out := bufio.NewWriterSize(file, 1<<20)
	err = writeRows(out, rows, width)
	return source{path, int64(rows), []string{"id"}}, errors.Join(err, out.Flush(), file.Close())
}

func writeRows(out io.Writer, rows, width int) error {
	if _, err := io.WriteString(out, "id,name,amount,day,seen,active,note\n"); err != nil {
		return err
	}
	first := time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	random := uint64(20261122) // xorshift: fast, and the same everywhere
	line := make([]byte, 0, width+100)
	for id := range rows {
		random ^= random << 13
		random ^= random >> 7
		random ^= random << 17
		line = strconv.AppendInt(line[:0], int64(id+1), 10)
		line = append(line, ',')
		for letters, i := random, 0; i < width; i++ {
			line = append(line, 'a'+byte(letters%26))
			if letters /= 26; letters == 0 {
				letters = random
			}
		}
		line = append(line, ',')
		line = strconv.AppendFloat(line, float64(random%1_000_000)/100, 'f', 2, 64)
		line = append(line, ',')
		line = first.AddDate(0, 0, int(random>>20%2_000)).AppendFormat(line, time.DateOnly)
		line = append(line, ',')
		line = first.Add(time.Duration(random>>30%200_000_000)*time.Second).AppendFormat(line, time.RFC3339)
		line = append(line, ',')
		line = strconv.AppendBool(line, random&1 == 0)
		line = append(line, ',')
		if random&7 == 0 {
			line = append(line, "seen again"...)
		}
		line = append(line, '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// bytesOf is a file's size for people.
func bytesOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "size unknown"
	}
	return number(float64(info.Size())/(1<<20)) + " MiB"
}
