package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// roles is every role of the product; each runs in exactly one compose service.
var roles = []string{
	"identity", "runs", "records", "files", "notify", "audit", "authserver", "gateway", "live", "web", "worker", "worker-batch",
}

var (
	variable   = regexp.MustCompile(`\$\{([A-Z][A-Z0-9_]*)(:?[-?])?`)
	secretName = regexp.MustCompile(`PASSWORD|SECRET|KEY`)
)

// checkCompose loads the file as compose does. Inactive profiles are skipped silently by the loader, so
// all are switched on.
func checkCompose([]string) error {
	const file, example = "docker-compose.yml", ".env.example"
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var found faults
	known, err := exampleVariables(example)
	if err != nil {
		return err
	}
	var environment []string
	for _, use := range variable.FindAllStringSubmatch(string(raw), -1) {
		name, operator := use[1], use[2]
		if !known[name] {
			found.add("%s uses ${%s}, which %s does not list", file, name, example)
		}
		if secretName.MatchString(name) && strings.HasSuffix(operator, "-") {
			found.add("%s gives the secret %s a default: ask for it with :?", file, name)
		}
		if strings.HasSuffix(operator, "?") {
			environment = append(environment, name+"=given")
		}
	}
	options, err := cli.NewProjectOptions([]string{file}, cli.WithEnv(environment), cli.WithProfiles([]string{"*"}))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, name := range project.ServiceNames() {
		checkService(&found, project, project.Services[name])
	}
	checkRoles(&found, project)
	checkScraped(&found, project)
	checkNamespace(&found)
	return found.report()
}

func exampleVariables(path string) (map[string]bool, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimPrefix(strings.TrimPrefix(line, "#"), " ")
		if name, _, ok := strings.Cut(line, "="); ok {
			known[strings.TrimSpace(name)] = true
		}
	}
	return known, nil
}

func checkService(found *faults, project *types.Project, s types.ServiceConfig) {
	job := s.Restart == types.RestartPolicyNo
	if s.Build == nil && (!strings.Contains(s.Image, ":") || strings.HasSuffix(s.Image, ":latest")) {
		found.add("service %s: image %q has no tag that stays", s.Name, s.Image)
	}
	if s.Build != nil {
		if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
			found.add("service %s: %v", s.Name, err)
		}
	}
	if s.Restart == "" {
		found.add("service %s: say whether it restarts (unless-stopped, or \"no\" for a job)", s.Name)
	}
	healthy := s.HealthCheck != nil && !s.HealthCheck.Disable
	if _, excused := s.Extensions["x-no-healthcheck"]; !job && !healthy && !excused {
		found.add("service %s: needs a healthcheck, or x-no-healthcheck with the reason", s.Name)
	}
	if !job && s.StopGracePeriod == nil && healthy && s.Name != "mail" {
		found.add("service %s: needs stop_grace_period", s.Name)
	}
	if s.Privileged || s.NetworkMode == "host" || s.Pid == "host" {
		found.add("service %s: no privileges, no network or processes of the host", s.Name)
	}
	for _, port := range s.Ports {
		if port.HostIP != "127.0.0.1" {
			found.add("service %s: port %s is bound to every address; write 127.0.0.1:", s.Name, port.Published)
		}
	}
	for _, mount := range s.Volumes {
		if mount.Type != types.VolumeTypeBind {
			continue
		}
		if strings.Contains(mount.Source, "docker.sock") {
			found.add("service %s: the docker socket is the host", s.Name)
		}
		if _, err := os.Stat(mount.Source); err != nil {
			found.add("service %s: %v", s.Name, err)
		}
		if !mount.ReadOnly {
			found.add("service %s: %s is mounted writable", s.Name, mount.Source)
		}
	}
	for other, dependency := range s.DependsOn {
		target, ok := project.Services[other]
		completes := dependency.Condition == types.ServiceConditionCompletedSuccessfully
		if ok && completes != (target.Restart == types.RestartPolicyNo) {
			found.add("service %s: waits for %s to be %s, which it never is", s.Name, other, dependency.Condition)
		}
		if ok && dependency.Condition == types.ServiceConditionHealthy && (target.HealthCheck == nil || target.HealthCheck.Disable) {
			found.add("service %s: waits for the health of %s, which has no check", s.Name, other)
		}
	}
}

// checkRoles: every role once, and every peer address names a service that serves it.
func checkRoles(found *faults, project *types.Project) {
	servedBy := map[string]string{}
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		at := slices.Index(s.Command, "--roles")
		if at < 0 || at+1 >= len(s.Command) {
			continue
		}
		for _, role := range strings.Split(s.Command[at+1], ",") {
			if !slices.Contains(roles, role) {
				found.add("service %s: there is no role %q", name, role)
			}
			if other, twice := servedBy[role]; twice {
				found.add("role %s runs in %s and in %s", role, other, name)
			}
			servedBy[role] = name
		}
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") {
			found.add("service %s: read_only and cap_drop: [ALL]", name)
		}
		for variable, value := range s.Environment {
			role, isPeer := strings.CutPrefix(variable, "MSHUB_PEERS_")
			if !isPeer || value == nil {
				continue
			}
			host := strings.TrimSuffix(strings.TrimPrefix(*value, "http://"), ":8080")
			target, ok := project.Services[host]
			if !ok || !strings.Contains(","+strings.Join(target.Command, ",")+",", ","+strings.ToLower(role)+",") {
				found.add("service %s: %s=%s, where that role does not run", name, variable, *value)
			}
		}
	}
	for _, role := range roles {
		if servedBy[role] == "" {
			found.add("no service runs the role %s", role)
		}
	}
}

// checkScraped: Prometheus looks for exactly the services that run roles.
func checkScraped(found *faults, project *types.Project) {
	var config struct {
		Scrapes []struct {
			Job string `yaml:"job_name"`
			DNS []struct {
				Names []string `yaml:"names"`
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := readYAML("observability/prometheus/prometheus.yml", &config); err != nil {
		found.add("%v", err)
		return
	}
	var scraped []string
	for _, s := range config.Scrapes {
		for _, d := range s.DNS {
			scraped = append(scraped, d.Names...)
		}
	}
	for _, name := range project.ServiceNames() {
		if runs := slices.Contains(project.Services[name].Command, "serve"); runs != slices.Contains(scraped, name) {
			found.add("observability/prometheus/prometheus.yml and docker-compose.yml disagree about %s", name)
		}
	}
}

var searchAttribute = regexp.MustCompile(`Mshub\w+=(?:Keyword|Bool|Int|Text|Double|Datetime|KeywordList)`)

// checkNamespace: the script makes the namespace that `mshub up` makes for itself.
func checkNamespace(found *faults) {
	const embedded, script = "internal/temporal/devserver.go", "deploy/compose/temporal/namespace.sh"
	var lists [2][]string
	for i, path := range []string{embedded, script} {
		raw, err := os.ReadFile(path)
		if err != nil {
			found.add("%v", err)
			return
		}
		lists[i] = searchAttribute.FindAllString(string(raw), -1)
		slices.Sort(lists[i])
	}
	if len(lists[0]) == 0 || !slices.Equal(lists[0], lists[1]) {
		found.add("search attributes: %s has %v, %s has %v", embedded, lists[0], script, lists[1])
	}
}
