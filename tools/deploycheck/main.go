// Command deploycheck holds the checks of `make verify` that no packaged tool makes. It is run from the
// root of the checkout; every fault names the file and what to do, and any fault ends in exit status 1.
//
//	compose      docker-compose.yml against the compose model, all profiles on, then the house's rules
//	dockerfile   BuildKit's own linter, the one behind `docker build --check`
//	metrics      PromQL of rules and dashboards parses and uses only the names in metrics.txt
//	dashboards   structure of the generated Grafana pages
//	runbooks     an alert has severity, summary, a runbook that exists and tests; a runbook has an alert
//	routes       the edge of compose and the Ingress of Kubernetes are one table
//	jenkinsfile  stages, in order, each one make target that exists
//	schemas      Kubernetes' OpenAPI document -> JSON schemas for kubeconform
//	manifests    what a schema cannot say about rendered manifests (standard input)
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// faults are all that is wrong with one artefact; a check goes on after the first.
type faults []string

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// report returns nil if nothing is wrong.
func (f faults) report() error {
	if len(f) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(f, "\n"))
}

var checks = map[string]func(args []string) error{
	"compose":     checkCompose,
	"jenkinsfile": checkJenkinsfile,
	"dockerfile":  checkDockerfile,
	"metrics":     checkMetrics,
	"dashboards":  checkDashboards,
	"runbooks":    checkRunbooks,
	"routes":      checkRoutes,
	"schemas":     writeSchemas,
	"manifests":   checkManifests,
}

func main() {
	if len(os.Args) < 2 || checks[os.Args[1]] == nil {
		names := make([]string, 0, len(checks))
		for name := range checks {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Fprintln(os.Stderr, "usage: deploycheck", strings.Join(names, "|"))
		os.Exit(2)
	}
	if err := checks[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
