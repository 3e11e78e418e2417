package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

func (a *api) diffDatasets(ctx context.Context, want *desired) ([]change, error) {
	if len(want.Datasets) == 0 {
		return nil, nil
	}
	have := map[string]*recordsv1.Dataset{}
	for token := ""; ; {
		page, err := a.records.ListDatasets(ctx, &recordsv1.ListDatasetsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, d := range page.GetDatasets() {
			have[d.GetName()] = d
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	var changes []change
	for _, w := range want.Datasets {
		if d := have["datasets/"+w.ID]; d != nil {
			if d.GetTitle() != w.Title {
				changes = append(changes, change{
					line: fmt.Sprintf("~ dataset %s: title %q -> %q", w.ID, d.GetTitle(), w.Title),
					do: func(ctx context.Context) (string, error) {
						_, err := a.records.UpdateDataset(ctx, &recordsv1.UpdateDatasetRequest{
							Dataset: &recordsv1.Dataset{Name: d.GetName(), Title: w.Title}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"title"}},
						})
						return "", err
					},
				})
			}
			continue
		}
		schema, err := structpb.NewStruct(w.Schema)
		if err != nil {
			return nil, fmt.Errorf("datasets.%s.schema: %w", w.ID, err)
		}
		changes = append(changes, change{
			line: fmt.Sprintf("+ dataset %s: key %s", w.ID, strings.Join(w.Key, " ")),
			do: func(ctx context.Context) (string, error) {
				_, err := a.records.CreateDataset(ctx, &recordsv1.CreateDatasetRequest{
					DatasetId: w.ID, Dataset: &recordsv1.Dataset{Title: w.Title, Key: w.Key, Schema: schema},
				})
				return "", err
			},
		})
	}
	return changes, nil
}
