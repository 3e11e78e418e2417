package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

func readYAML(path string, into any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// documents decodes each document of a YAML stream.
func documents(stream []byte) ([]map[string]any, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(stream))
	var all []map[string]any
	for {
		var one map[string]any
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if one != nil {
			all = append(all, one)
		}
	}
}

// glob returns the files of a pattern; none is a fault, because a check that looks at nothing passes.
func glob(pattern string) ([]string, error) {
	paths, err := filepath.Glob(pattern)
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s matches no file", pattern)
	}
	return paths, err
}
