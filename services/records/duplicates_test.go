package records

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/microservicehub/mshub/services/records/schema"
)

// However few hashes are held at once, the parts together find each repeated key once.
func TestKeyHashesInParts(t *testing.T) {
	t.Parallel()
	const rows, distinct = 1000, 900
	for _, most := range []int{2, 10, 100, 5000} {
		first := newKeyHashes(most)
		each := func(k *keyHashes) {
			for i := range rows {
				k.add(schema.KeyID(fmt.Append(nil, i%distinct)))
			}
		}
		each(first)
		found := len(first.repeated())
		for part := uint64(1); part < first.parts; part++ {
			k := &keyHashes{parts: first.parts, part: part, most: rows}
			each(k)
			found += len(k.repeated())
		}
		if found != rows-distinct {
			t.Errorf("holding %d at once in %d parts: %d repeated keys, want %d", most, first.parts, found, rows-distinct)
		}
	}
}

func TestPackDuplicates(t *testing.T) {
	t.Parallel()
	packed := packDuplicates([]duplicate{{900, 3}, {0, 2}, {7, 1 << 40}})
	if diff := cmp.Diff(map[int64]int64{0: 2, 7: 1 << 40, 900: 3}, unpackDuplicates(packed)); diff != "" {
		t.Error(diff)
	}
	if got := unpackDuplicates([]byte{0xff}); len(got) != 0 {
		t.Errorf("garbage gave %v", got)
	}
}
