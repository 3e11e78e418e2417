package records

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/microservicehub/mshub/services/records/schema"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// Lookups are read once, when the import is planned, and lie beside its scratch blob: all chunks see the same values, and
// so does a chunk that is tried again.
const (
	maxLookup  = 100_000
	lookupPage = 5_000
	// lookupsKept is of how many imports a node remembers the lookups.
	lookupsKept = 8
)

// readLookups loads the lookups of a format; the places of columns without one stay empty. Faults name their field.
func (s *Service) readLookups(ctx context.Context, target *schema.Schema, f *recordsv1.Format) ([]schema.Lookup, error) {
	all, c := make([]schema.Lookup, len(f.GetColumns())), &formatCheck{}
	for i, rule := range f.GetColumns() {
		lookup := rule.GetLookup()
		if lookup == nil || rule.GetSkip() {
			continue
		}
		field := fmt.Sprintf("format.columns[%d].lookup", i)
		shelf, _, err := s.shelf(ctx, lookup.GetDataset())
		if err != nil {
			c.failf(field+".dataset", "there is no dataset %q", lookup.GetDataset())
			continue
		}
		match, take := shelf.Schema.Index(lookup.GetMatch()), shelf.Schema.Index(lookup.GetTake())
		if match < 0 {
			c.failf(field+".match", "%s has no column %q", lookup.GetDataset(), lookup.GetMatch())
		}
		if take < 0 {
			c.failf(field+".take", "%s has no column %q", lookup.GetDataset(), lookup.GetTake())
		}
		name := rule.GetColumn()
		if name == "" {
			name = rule.GetSource()
		}
		column := target.Index(name)
		if match < 0 || take < 0 || column < 0 {
			continue // an unknown column is told with the file's
		}
		if got, want := shelf.Schema.Columns[take].Kind, target.Columns[column].Kind; got != want {
			c.failf(field+".take", "is %s in %s, but %s is %s", got, lookup.GetDataset(), name, want)
			continue
		}
		all[i].UnknownIsNull = lookup.GetUnknownIsNull()
		if all[i].Values, err = s.readLookup(ctx, shelf, match, take); err != nil {
			return nil, err
		}
		if all[i].Values == nil {
			c.failf(field+".dataset", "has more than %d records; a lookup takes at most that many", maxLookup)
		}
	}
	return all, c.err()
}

// readLookup returns nil if there are too many.
func (s *Service) readLookup(ctx context.Context, shelf store.Shelf, match, take int) (map[string][]byte, error) {
	values := map[string][]byte{}
	for q := (store.Query{Limit: lookupPage}); ; {
		page, err := s.documents.List(ctx, shelf, q)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			var members map[string]json.RawMessage
			if err := json.Unmarshal(d.Data, &members); err != nil {
				return nil, err
			}
			from, to := members[shelf.Schema.Columns[match].Name], members[shelf.Schema.Columns[take].Name]
			if from == nil || to == nil {
				continue
			}
			key := string(from)
			if key[0] == '"' {
				if err := json.Unmarshal(from, &key); err != nil {
					return nil, err
				}
			}
			values[key] = canonical(to)
			q.After = &store.Position{ID: d.ID}
		}
		if len(values) > maxLookup {
			return nil, nil
		}
		if len(page) < lookupPage {
			return values, nil
		}
		q.After = &store.Position{ID: page[len(page)-1].ID}
	}
}

// canonical writes a JSON scalar as documents have it.
func canonical(raw json.RawMessage) []byte {
	var text string
	if raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return schema.AppendString(nil, []byte(text))
	}
	return raw
}

func hasLookups(f *recordsv1.Format) bool {
	for _, rule := range f.GetColumns() {
		if rule.GetLookup() != nil {
			return true
		}
	}
	return false
}

// lookupsBeside is what the key of an import's lookups ends with.
const lookupsBeside = ".lookups"

// keepLookups writes them beside the scratch blob.
func (s *Service) keepLookups(ctx context.Context, scratch string, all []schema.Lookup) error {
	kept := make([]map[string]json.RawMessage, len(all))
	for i, l := range all {
		kept[i] = make(map[string]json.RawMessage, len(l.Values))
		for key, value := range l.Values {
			kept[i][key] = value
		}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return s.scratch.WriteAll(ctx, scratch+lookupsBeside, text, nil)
}

// lookups of a planned import.
func (s *Service) lookups(ctx context.Context, row store.Import, f *recordsv1.Format) ([]schema.Lookup, error) {
	if !hasLookups(f) {
		return nil, nil
	}
	s.mu.Lock()
	all, ok := s.remembered[row.ID]
	s.mu.Unlock()
	if ok {
		return all, nil
	}
	text, err := s.scratch.ReadAll(ctx, scratchOf(row)+lookupsBeside)
	if err != nil {
		return nil, err
	}
	var kept []map[string]json.RawMessage
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, err
	}
	all = make([]schema.Lookup, len(kept))
	for i, values := range kept {
		all[i].Values = make(map[string][]byte, len(values))
		for key, value := range values {
			all[i].Values[key] = canonical(value)
		}
		all[i].UnknownIsNull = f.GetColumns()[i].GetLookup().GetUnknownIsNull()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.remembered) >= lookupsKept {
		clear(s.remembered)
	}
	s.remembered[row.ID] = all
	return all, nil
}

// forgetLookups when the import is over.
func (s *Service) forgetLookups(run uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.remembered, run)
}
