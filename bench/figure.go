package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Spread is what several runs gave.
type Spread struct {
	Name   string  `json:"name,omitempty"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Figure is one line of the results: ours, the peer's of the same run, and the goal: a number, an operator and what it is
// about: "ratio >= 0.7" (ours by the peer's), "median <= 15" or "max <= 5" (ours alone). "-" is no goal.
type Figure struct {
	Figure string  `json:"figure"`
	Unit   string  `json:"unit"`
	Ours   Spread  `json:"ours"`
	Peer   *Spread `json:"peer,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"`
	Goal   string  `json:"goal"`
	Runs   int     `json:"runs"`
	Cores  int     `json:"cores"`
	Commit string  `json:"commit"`
}

// results is where figures are kept, from the root of the checkout.
const results = "bench/results"

func spread(name string, samples []float64) Spread {
	sorted := slices.Sorted(slices.Values(samples))
	return Spread{Name: name, Median: sorted[len(sorted)/2], Min: sorted[0], Max: sorted[len(sorted)-1]}
}

func figure(what, unit, goal string, ours []float64, peer string, theirs []float64) Figure {
	f := Figure{Figure: what, Unit: unit, Goal: goal, Ours: spread("", ours), Runs: len(ours), Cores: runtime.NumCPU(), Commit: commit()}
	if peer != "" {
		p := spread(peer, theirs)
		f.Peer = &p
		if p.Median > 0 {
			f.Ratio = f.Ours.Median / p.Median
		}
	}
	return f
}

// verdict is "met" or "missed", or "-" where nothing was promised.
func (f Figure) verdict() string {
	var about, operator string
	var bound float64
	if _, err := fmt.Sscan(f.Goal, &about, &operator, &bound); err != nil {
		return "-"
	}
	value, known := map[string]float64{"ratio": f.Ratio, "median": f.Ours.Median, "max": f.Ours.Max}[about]
	met := map[string]bool{"<": value < bound, "<=": value <= bound, "=": value == bound, ">=": value >= bound}
	held, sound := met[operator]
	switch {
	case !known || !sound:
		return "-"
	case held:
		return "met"
	}
	return "missed"
}

// quantile is the smallest sample that at least the share q of all samples does not exceed.
func quantile(samples []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[max(int(math.Ceil(q*float64(len(sorted)))), 1)-1]
}

// commit that is measured; "-dirty" if files differ from it, other than the results.
func commit() string {
	out, err := exec.Command("git", "describe", "--always").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(out))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results").Output(); err != nil || len(changed) > 0 {
		name += "-dirty"
	}
	return name
}

func save(name string, figures []Figure) error {
	var raw bytes.Buffer
	to := json.NewEncoder(&raw)
	to.SetIndent("", "  ")
	to.SetEscapeHTML(false) // goals say ">="
	if err := to.Encode(figures); err != nil {
		return err
	}
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(results, name+".json"), raw.Bytes(), 0o644)
}

// savedNames are the results of a figure: the usual one, and those of other sizes.
func savedNames(figure string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(results, figure+"*.json"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		if size, other := strings.CutPrefix(name, figure+"-"); name == figure || other && strings.Trim(size, "0123456789x") == "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// saved reads what was measured last under a name.
func saved(name string) ([]Figure, error) {
	raw, err := os.ReadFile(filepath.Join(results, name+".json"))
	if err != nil {
		return nil, err
	}
	var found []Figure
	return found, json.Unmarshal(raw, &found)
}

func table(w io.Writer, figures []Figure) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tOURS\tPEER\tRATIO\tGOAL\t")
	for _, f := range figures {
		fmt.Fprintln(t, strings.Join(f.cells(), "\t"))
	}
	_ = t.Flush()
}

// markdown is the table of README.md.
func markdown(w io.Writer, figures []Figure) {
	fmt.Fprintln(w, "| figure | ours | peer | ratio | goal | | cores | commit |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	for _, f := range figures {
		fmt.Fprintf(w, "| %s | %d | %s |\n", strings.Join(f.cells(), " | "), f.Cores, f.Commit)
	}
}

func (f Figure) cells() []string {
	peer, ratio := "-", "-"
	if f.Peer != nil {
		peer = fmt.Sprintf("%s (%s)", number(f.Peer.Median), f.Peer.Name)
	}
	if f.Ratio > 0 {
		ratio = fmt.Sprintf("%.2f", f.Ratio)
	}
	ours := fmt.Sprintf("%s %s (%s to %s)", number(f.Ours.Median), f.Unit, number(f.Ours.Min), number(f.Ours.Max))
	return []string{f.Figure, ours, peer, ratio, f.Goal, f.verdict()}
}

// number writes 41,327 and 2.35.
func number(v float64) string {
	if v < 100 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	text := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
