package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// manifest is what the checks read of any object.
type manifest struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int            `json:"replicas"`
		Selector json.RawMessage `json:"selector"`
		Template struct {
			Metadata struct {
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Spec pod `json:"spec"`
		} `json:"template"`
		ScaleTargetRef struct{ Kind, Name string } `json:"scaleTargetRef"`
		MinReplicas    int                         `json:"minReplicas"`
		MaxReplicas    int                         `json:"maxReplicas"`
		Rules          []struct {
			HTTP struct {
				Paths []struct {
					Backend struct{ Service struct{ Name string } }
				}
			}
		} `json:"rules"`
	} `json:"spec"`
}

type pod struct {
	ServiceAccountName string `json:"serviceAccountName"`
	AutomountToken     *bool  `json:"automountServiceAccountToken"`
	Grace              int    `json:"terminationGracePeriodSeconds"`
	SecurityContext    struct {
		RunAsNonRoot   bool
		RunAsUser      int
		SeccompProfile struct{ Type string }
	} `json:"securityContext"`
	Containers []struct {
		Image           string
		Args            []string
		LivenessProbe   *json.RawMessage
		ReadinessProbe  *json.RawMessage
		StartupProbe    *json.RawMessage
		Resources       struct{ Requests, Limits map[string]any }
		SecurityContext struct {
			AllowPrivilegeEscalation *bool
			ReadOnlyRootFilesystem   bool
			Capabilities             struct{ Drop []string }
		}
		EnvFrom []struct{ ConfigMapRef, SecretRef struct{ Name string } }
	} `json:"containers"`
}

// checkManifests reads what `kubectl kustomize` printed and finds what a schema cannot: names that lead
// nowhere, selectors that select nothing, pods that a restricted namespace would refuse.
func checkManifests([]string) error {
	stream, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	objects, err := decode(stream)
	if err != nil {
		return err
	}
	return judge(objects)
}

func judge(objects []manifest) error {
	var found faults
	named := map[string]*manifest{}
	for i := range objects {
		key := objects[i].Kind + "/" + objects[i].Metadata.Name
		if named[key] != nil {
			found.add("%s is there twice", key)
		}
		named[key] = &objects[i]
	}
	served := map[string]int{}
	for _, key := range slices.Sorted(maps.Keys(named)) {
		o := named[key]
		switch o.Kind {
		case "Deployment":
			checkDeployment(&found, named, o)
			for _, c := range o.Spec.Template.Spec.Containers {
				if len(c.Args) == 3 {
					for _, role := range strings.Split(c.Args[2], ",") {
						served[role]++
					}
				}
			}
		case "Job":
			checkPod(&found, named, key, o.Spec.Template.Spec)
		case "HorizontalPodAutoscaler":
			target := named[o.Spec.ScaleTargetRef.Kind+"/"+o.Spec.ScaleTargetRef.Name]
			if target == nil || target.Spec.Replicas != nil || o.Spec.MinReplicas > o.Spec.MaxReplicas {
				found.add("%s: its target must exist without replicas, and min must not exceed max", key)
			}
		case "Ingress":
			for _, rule := range o.Spec.Rules {
				for _, p := range rule.HTTP.Paths {
					if named["Service/"+p.Backend.Service.Name] == nil {
						found.add("%s leads to service %s, which is not there", key, p.Backend.Service.Name)
					}
				}
			}
		}
	}
	for _, role := range roles {
		if served[role] != 1 {
			found.add("role %s runs in %d Deployments, not in one", role, served[role])
		}
	}
	if named["NetworkPolicy/mshub-deny"] == nil {
		found.add("no NetworkPolicy denies by default")
	}
	return found.report()
}

func decode(stream []byte) ([]manifest, error) {
	raw, err := documents(stream)
	if err != nil {
		return nil, err
	}
	objects := make([]manifest, len(raw))
	for i, one := range raw {
		text, err := json.Marshal(one)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &objects[i]); err != nil {
			return nil, fmt.Errorf("object %d: %w", i, err)
		}
	}
	return objects, nil
}

func checkDeployment(found *faults, named map[string]*manifest, o *manifest) {
	key := "Deployment/" + o.Metadata.Name
	var selector struct{ MatchLabels map[string]string }
	if err := json.Unmarshal(o.Spec.Selector, &selector); err != nil {
		found.add("%s: %v", key, err)
	}
	labels := o.Spec.Template.Metadata.Labels
	if !within(selector.MatchLabels, labels) || selector.MatchLabels["app.kubernetes.io/component"] == "" {
		found.add("%s: its selector %v must name the component and fit its pods %v", key, selector.MatchLabels, labels)
	}
	for _, kind := range []string{"Service", "PodDisruptionBudget", "ServiceAccount"} {
		other := named[kind+"/"+o.Metadata.Name]
		if other == nil {
			found.add("%s has no %s of its name", key, kind)
			continue
		}
		match := map[string]string{}
		switch kind {
		case "Service":
			_ = json.Unmarshal(other.Spec.Selector, &match)
		case "PodDisruptionBudget":
			var s struct{ MatchLabels map[string]string }
			_ = json.Unmarshal(other.Spec.Selector, &s)
			match = s.MatchLabels
		default:
			continue
		}
		if !within(match, labels) || match["app.kubernetes.io/component"] == "" {
			found.add("%s: the selector of its %s, %v, must name the component", key, kind, match)
		}
	}
	spec := o.Spec.Template.Spec
	checkPod(found, named, key, spec)
	for _, c := range spec.Containers {
		if c.LivenessProbe == nil || c.ReadinessProbe == nil || c.StartupProbe == nil {
			found.add("%s needs all three probes", key)
		}
	}
	if spec.Grace < 20 {
		found.add("%s: the pod is killed after %d s, sooner than the product drains", key, spec.Grace)
	}
}

// checkPod: the profile "restricted", and references that lead somewhere.
func checkPod(found *faults, named map[string]*manifest, key string, p pod) {
	if !p.SecurityContext.RunAsNonRoot || p.SecurityContext.RunAsUser == 0 || p.SecurityContext.SeccompProfile.Type != "RuntimeDefault" {
		found.add("%s: the pod must run as a user that is not root, with seccomp RuntimeDefault", key)
	}
	if p.AutomountToken == nil || *p.AutomountToken {
		found.add("%s: automountServiceAccountToken: false", key)
	}
	if named["ServiceAccount/"+p.ServiceAccountName] == nil {
		found.add("%s: service account %q is not there", key, p.ServiceAccountName)
	}
	for _, c := range p.Containers {
		s := c.SecurityContext
		if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || !slices.Contains(s.Capabilities.Drop, "ALL") {
			found.add("%s: the container must drop all privileges and write nothing of its image", key)
		}
		if c.Resources.Requests["cpu"] == nil || c.Resources.Requests["memory"] == nil || c.Resources.Limits["memory"] == nil {
			found.add("%s needs requests for cpu and memory and a limit for memory", key)
		}
		if !strings.ContainsAny(c.Image, ":@") || strings.HasSuffix(c.Image, ":latest") {
			found.add("%s: image %s has no tag that stays", key, c.Image)
		}
		for _, from := range c.EnvFrom {
			if name := from.ConfigMapRef.Name; name != "" && named["ConfigMap/"+name] == nil {
				found.add("%s: config map %s is not there", key, name)
			}
		}
	}
}

func within(part, whole map[string]string) bool {
	for key, value := range part {
		if whole[key] != value {
			return false
		}
	}
	return len(part) > 0
}
