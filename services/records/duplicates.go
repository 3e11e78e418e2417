package records

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/google/uuid"
)

// A key that stands twice in a file is the first row's; every later row is a reject that names the first line, in both
// modes and whatever order chunks are written in. So duplicates are found when the import is planned, in bounded memory:
//
// The scan keeps eight bytes of every row's key hash. If none occurs twice (the usual case) that was all. Otherwise the
// scratch blob is read once more for the rows behind the hashes that did, comparing whole ids. A file with more than
// hashesAtOnce rows is looked at in several parts of the hash space, one reading each.
//
// A row whose key can't be read claims no key. A row that is rejected for another cell does: mend that line first.
const hashesAtOnce = 4 << 20

// keyHashes collects the hashes of one part of the hash space: those with hash % parts == part.
type keyHashes struct {
	hashes []uint64
	parts  uint64
	part   uint64
	most   int
}

func newKeyHashes(most int) *keyHashes { return &keyHashes{parts: 1, most: most} }

func (k *keyHashes) add(id uuid.UUID) {
	h := keyHash(id)
	if h%k.parts != k.part {
		return
	}
	if len(k.hashes) == k.most { // the part is too big: keep half of it, the rest is for later readings
		k.parts *= 2
		k.hashes = slices.DeleteFunc(k.hashes, func(h uint64) bool { return h%k.parts != k.part })
		if h%k.parts != k.part {
			return
		}
	}
	k.hashes = append(k.hashes, h)
}

func keyHash(id uuid.UUID) uint64 { return binary.BigEndian.Uint64(id[8:]) & (1<<62 - 1) }

// repeated returns the hashes that occur more than once.
func (k *keyHashes) repeated() map[uint64]bool {
	slices.Sort(k.hashes)
	again := map[uint64]bool{}
	for i := 1; i < len(k.hashes); i++ {
		if k.hashes[i] == k.hashes[i-1] {
			again[k.hashes[i]] = true
		}
	}
	return again
}

// duplicate is a row, counted from 0 in its chunk, and the line where its key stands first.
type duplicate struct{ row, firstLine int64 }

// findDuplicates notes in the plan which rows have a key that stands further up.
func (s *Service) findDuplicates(ctx context.Context, scratch string, p *plan, hashes *keyHashes, l *layout) error {
	parts := hashes.parts
	for part := range parts {
		if part > 0 {
			hashes = &keyHashes{parts: parts, part: part, most: 2 * hashesAtOnce}
			err := s.keys(ctx, scratch, p, l, func(_ int, _ duplicate, id uuid.UUID) { hashes.add(id) })
			if err != nil {
				return err
			}
			if hashes.parts != parts {
				return errors.New("records: key hashes are not spread evenly") // SHA-256 would have to fail
			}
		}
		again := hashes.repeated()
		if len(again) == 0 {
			continue
		}
		firsts := map[uuid.UUID]int64{}
		err := s.keys(ctx, scratch, p, l, func(chunk int, at duplicate, id uuid.UUID) {
			if !again[keyHash(id)] {
				return
			}
			if line, ok := firsts[id]; ok {
				p.chunks[chunk].duplicates = append(p.chunks[chunk].duplicates, duplicate{at.row, line})
				return
			}
			firsts[id] = at.firstLine
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keys reads the scratch blob once more and gives each row's key with its place: chunk, row, line.
func (s *Service) keys(ctx context.Context, scratch string, p *plan, l *layout, f func(chunk int, at duplicate, id uuid.UUID)) error {
	for i, c := range p.chunks {
		part, err := s.scratch.NewRangeReader(ctx, scratch, c.start, c.length, nil)
		if err != nil {
			return err
		}
		rows := l.part(part, c.firstLine)
		row := rows.At()
		for n := int64(0); rows.Scan(); n++ {
			if id, ok := l.id(row); ok {
				f(i, duplicate{n, row.Line}, id)
			}
		}
		if err := errors.Join(rows.Err(), part.Close()); err != nil {
			return err
		}
	}
	return nil
}

// packDuplicates writes varints, each row as the distance from the one before.
func packDuplicates(all []duplicate) []byte {
	slices.SortFunc(all, func(a, b duplicate) int { return cmp.Compare(a.row, b.row) })
	packed, last := []byte{}, int64(0)
	for _, d := range all {
		packed = binary.AppendUvarint(packed, uint64(d.row-last))
		packed = binary.AppendUvarint(packed, uint64(d.firstLine))
		last = d.row
	}
	return packed
}

// unpackDuplicates is the reverse: row in the chunk -> first line.
func unpackDuplicates(packed []byte) map[int64]int64 {
	firsts, row := map[int64]int64{}, int64(0)
	for len(packed) > 0 {
		distance, n := binary.Uvarint(packed)
		line, m := binary.Uvarint(packed[max(n, 0):])
		if n <= 0 || m <= 0 {
			break
		}
		row += int64(distance)
		firsts[row] = int64(line)
		packed = packed[n+m:]
	}
	return firsts
}
