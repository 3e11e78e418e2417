package records

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/services/records/schema"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

func recordOf(parent string, s *schema.Schema, d store.Document) (*recordsv1.Record, error) {
	data := &structpb.Struct{}
	if err := data.UnmarshalJSON(d.Data); err != nil {
		return nil, fmt.Errorf("record %s of %s: %w", d.ID, parent, err)
	}
	record := &recordsv1.Record{
		Name: parent + "/records/" + d.ID.String(), Data: data,
		CreateTime: timestamppb.New(d.CreateTime), UpdateTime: timestamppb.New(d.UpdateTime),
	}
	if len(s.KeyColumns) > 0 {
		var raw map[string]json.RawMessage
		if err := json.Unmarshal(d.Data, &raw); err != nil {
			return nil, err
		}
		record.Key = s.KeyText(raw)
	}
	return record, nil
}

func datasetOf(row store.Dataset) (*recordsv1.Dataset, error) {
	s := &structpb.Struct{}
	if err := s.UnmarshalJSON(row.Schema); err != nil {
		return nil, fmt.Errorf("schema of dataset %s: %w", row.ID, err)
	}
	return &recordsv1.Dataset{
		Name: "datasets/" + row.Slug, Title: row.Title, Schema: s, Key: row.Key,
		CreateTime: timestamppb.New(row.CreateTime), UpdateTime: timestamppb.New(row.UpdateTime),
	}, nil
}

func shelfOf(row store.Dataset) (store.Shelf, error) {
	wire, err := datasetOf(row)
	if err != nil {
		return store.Shelf{}, err
	}
	s, err := schema.Parse(wire.GetSchema(), wire.GetKey())
	return store.Shelf{Organisation: row.OrganisationID, Dataset: row.ShelfID, Schema: s}, err
}
