// Command tfaws answers `terraform validate` in the place of the AWS provider, where its registry cannot be
// reached. It knows every argument, attribute and block of the provider's schema and nothing of AWS: no
// allowed values, no conflicts between arguments, no plan. Say "valid by the schema of 6.25.0", never
// "planned".
//
// The schema is read from the JavaScript of npm's @cdktf/provider-aws 21.22.1, which is generated from
// hashicorp/aws 6.25.0 (MPL-2.0) and regular: one folder a resource. deploy/terraform/validate.sh unpacks
// the folders that the configuration uses and names them in TFAWS_SCHEMA.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

func main() {
	directory := os.Getenv("TFAWS_SCHEMA")
	schema, err := readAll(directory)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := tf6server.Serve("registry.terraform.io/hashicorp/aws", func() tfprotov6.ProviderServer { return &provider{schema: schema} }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// readAll reads each folder: db-instance is aws_db_instance, data-aws-region the data source aws_region.
func readAll(directory string) (*tfprotov6.GetProviderSchemaResponse, error) {
	response := &tfprotov6.GetProviderSchemaResponse{
		// What of the provider's own block the configuration uses; the rest is not checked.
		Provider: &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{
			Attributes: []*tfprotov6.SchemaAttribute{{Name: "region", Type: tftypes.String, Optional: true}},
			BlockTypes: []*tfprotov6.SchemaNestedBlock{{
				TypeName: "default_tags", Nesting: tfprotov6.SchemaNestedBlockNestingModeList, MaxItems: 1,
				Block: &tfprotov6.SchemaBlock{Attributes: []*tfprotov6.SchemaAttribute{{Name: "tags", Type: tftypes.Map{ElementType: tftypes.String}, Optional: true}}},
			}},
		}},
		ResourceSchemas:   map[string]*tfprotov6.Schema{},
		DataSourceSchemas: map[string]*tfprotov6.Schema{},
	}
	folders, err := filepath.Glob(filepath.Join(directory, "*"))
	if err != nil || len(folders) == 0 {
		return nil, fmt.Errorf("TFAWS_SCHEMA=%q holds no schema", directory)
	}
	for _, folder := range folders {
		source, err := readSource(folder)
		if err != nil {
			return nil, err
		}
		block, err := source.root()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", folder, err)
		}
		name := filepath.Base(folder)
		if data, ok := strings.CutPrefix(name, "data-aws-"); ok {
			response.DataSourceSchemas["aws_"+strings.ReplaceAll(data, "-", "_")] = &tfprotov6.Schema{Block: block}
		} else {
			response.ResourceSchemas["aws_"+strings.ReplaceAll(name, "-", "_")] = &tfprotov6.Schema{Block: block}
		}
	}
	return response, nil
}

// provider answers what `init` and `validate` ask; any other call ends the process, and should.
type provider struct {
	tfprotov6.ProviderServer
	schema *tfprotov6.GetProviderSchemaResponse
}

func (p *provider) GetMetadata(context.Context, *tfprotov6.GetMetadataRequest) (*tfprotov6.GetMetadataResponse, error) {
	return &tfprotov6.GetMetadataResponse{}, nil
}

func (p *provider) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return p.schema, nil
}

func (p *provider) ValidateProviderConfig(_ context.Context, r *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (p *provider) ValidateResourceConfig(context.Context, *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return &tfprotov6.ValidateResourceConfigResponse{}, nil
}

func (p *provider) ValidateDataResourceConfig(context.Context, *tfprotov6.ValidateDataResourceConfigRequest) (*tfprotov6.ValidateDataResourceConfigResponse, error) {
	return &tfprotov6.ValidateDataResourceConfigResponse{}, nil
}

func (p *provider) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}
