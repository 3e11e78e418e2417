package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

const dockerfile = "deploy/docker/Dockerfile"

// checkDockerfile runs the linter of `docker build --check` on every stage. No registry is asked: base
// images count as empty, so what only they could tell (their user, their shell) is not checked.
func checkDockerfile([]string) error {
	raw, err := os.ReadFile(dockerfile)
	if err != nil {
		return err
	}
	platform := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	capabilities := pb.Caps.CapSet(pb.Caps.All())
	sourceMap := llb.NewSourceMap(nil, dockerfile, "Dockerfile", raw)
	sourceMap.Definition = &llb.Definition{} // the file came from no build step
	results, err := dockerfile2llb.DockerfileLint(context.Background(), raw, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{BuildPlatforms: []ocispecs.Platform{platform}},
		SourceMap:      sourceMap,
		TargetPlatform: &platform,
		MetaResolver:   emptyImages{},
		LLBCaps:        &capabilities,
	})
	if err != nil {
		return err
	}
	var found faults
	if results.Error != nil {
		found.add("%s: %s", dockerfile, results.Error.Message)
	}
	for _, w := range results.Warnings {
		line := int32(0)
		if w.Location != nil && len(w.Location.Ranges) > 0 {
			line = w.Location.Ranges[0].Start.Line
		}
		found.add("%s:%d: %s: %s", dockerfile, line, w.RuleName, w.Detail)
	}
	for _, want := range []string{"USER 65532:65532", "HEALTHCHECK", `ENTRYPOINT ["mshub"]`, "CGO_ENABLED=0", "-trimpath"} {
		if !strings.Contains(string(raw), want) {
			found.add("%s lacks %s", dockerfile, want)
		}
	}
	return found.report()
}

// emptyImages resolves each tagged name to an image without content.
type emptyImages struct{}

func (emptyImages) ResolveImageConfig(_ context.Context, name string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	parsed, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", "", nil, err
	}
	tagged, ok := parsed.(reference.Tagged)
	if !ok || tagged.Tag() == "latest" {
		return "", "", nil, fmt.Errorf("base image %s has no tag that stays", name)
	}
	config, err := json.Marshal(ocispecs.Image{Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"}})
	if err != nil {
		return "", "", nil, err
	}
	return name, digest.FromBytes(config), config, nil
}
