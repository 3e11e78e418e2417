package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// inside are services that only other roles call; the edge must not know them.
var inside = []string{"/services.identity.v1.CredentialService", "/authserver.v1.BootstrapService", "/services.records.v1.ExportService"}

// checkRoutes compares three lists: the edge of compose, the Ingress, and the services of the protos.
func checkRoutes([]string) error {
	caddy, err := caddyRoutes("deploy/compose/caddy/Caddyfile")
	if err != nil {
		return err
	}
	ingress, err := ingressRoutes("deploy/k8s/base/ingress.yaml")
	if err != nil {
		return err
	}
	services, err := protoServices()
	if err != nil {
		return err
	}
	var found faults
	paths := slices.Collect(maps.Keys(caddy))
	paths = append(paths, slices.Collect(maps.Keys(ingress))...)
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		if caddy[path] != ingress[path] {
			found.add("%s goes to %q in the Caddyfile and to %q in the Ingress", path, caddy[path], ingress[path])
		}
	}
	for _, service := range services {
		_, routed := ingress[service]
		if internal := slices.Contains(inside, service); internal == routed {
			found.add("%s: routed at the edge: %v, for other roles only: %v", service, routed, internal)
		}
	}
	return found.report()
}

var (
	matcher = regexp.MustCompile(`^@(\w+) path (.+)$`)
	handle  = regexp.MustCompile(`^handle ?(\S*) \{$`)
	proxy   = regexp.MustCompile(`^reverse_proxy (?:h2c://)?([\w-]+):8080`)
)

// caddyRoutes reads path -> service from the Caddyfile's handle blocks, each with one reverse_proxy.
func caddyRoutes(path string) (map[string]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	routes, matchers, current := map[string]string{}, map[string][]string{}, []string(nil)
	for _, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSpace(line)
		if m := matcher.FindStringSubmatch(line); m != nil {
			matchers["@"+m[1]] = strings.Fields(m[2])
		} else if m := handle.FindStringSubmatch(line); m != nil {
			switch {
			case m[1] == "":
				current = []string{"/"}
			case strings.HasPrefix(m[1], "@"):
				current = matchers[m[1]]
			default:
				current = []string{m[1]}
			}
		} else if m := proxy.FindStringSubmatch(line); m != nil {
			if len(current) == 0 {
				return nil, fmt.Errorf("%s: %q is in no handle block", path, line)
			}
			for _, p := range current {
				if p != "/" {
					p = strings.TrimSuffix(p, "/*")
				}
				routes[p] = m[1]
			}
			current = nil
		}
	}
	return routes, nil
}

func ingressRoutes(path string) (map[string]string, error) {
	var ingress struct {
		Spec struct {
			Rules []struct {
				HTTP struct {
					Paths []struct {
						Path    string `yaml:"path"`
						Type    string `yaml:"pathType"`
						Backend struct {
							Service struct {
								Name string `yaml:"name"`
							} `yaml:"service"`
						} `yaml:"backend"`
					} `yaml:"paths"`
				} `yaml:"http"`
			} `yaml:"rules"`
		} `yaml:"spec"`
	}
	if err := readYAML(path, &ingress); err != nil {
		return nil, err
	}
	routes := map[string]string{}
	for _, rule := range ingress.Spec.Rules {
		for _, p := range rule.HTTP.Paths {
			if _, twice := routes[p.Path]; twice || p.Type != "Prefix" {
				return nil, fmt.Errorf("%s: %s must be there once, as a Prefix", path, p.Path)
			}
			routes[p.Path] = strings.TrimPrefix(p.Backend.Service.Name, "mshub-")
		}
	}
	return routes, nil
}

var (
	protoPackage = regexp.MustCompile(`(?m)^package ([\w.]+);`)
	protoService = regexp.MustCompile(`(?m)^service (\w+) \{`)
)

// protoServices returns "/package.Service" of every door.
func protoServices() ([]string, error) {
	var all []string
	for _, room := range []string{"services", "authserver", "events", "gateway"} {
		if _, err := os.Stat(room); err != nil {
			continue
		}
		err := filepath.WalkDir(room, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".proto" {
				return err
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name := protoPackage.FindSubmatch(raw)
			for _, m := range protoService.FindAllSubmatch(raw, -1) {
				all = append(all, fmt.Sprintf("/%s.%s", name[1], m[1]))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no service found in the protos")
	}
	return all, nil
}
