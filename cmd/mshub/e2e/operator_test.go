package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestOperator is an operator's day, by the command line: what starts by the clock, what waits in line, thousands of runs at
// once, what waits for a decision, what other systems hear, what leaves as a file.
func TestOperator(t *testing.T) {
	t.Parallel()
	h := fresh(t, "MSHUB_NOTIFY_WEBHOOK_ALLOW=127.0.0.0/8", "MSHUB_NOTIFY_WEBHOOK_BACKOFF=1s,1s,1s", "MSHUB_RUNS_LIMITS=onboarding.concurrency=1")
	ada := h.administrator("ada@example.com")
	o := &operator{t: t, h: h, person: ada}

	t.Run("schedule", o.schedule)
	t.Run("export", o.export)
	t.Run("webhook", o.webhook)
	t.Run("apply", o.apply)
	t.Run("parked", o.parked)
	t.Run("bulk", o.bulk)
	t.Run("votes", o.votes)
}

type operator struct {
	t      *testing.T
	h      *house
	person *person
	// second is the other administrator, once there is one.
	second *operator
}

// json runs a command of the command line as the person and reads what it printed.
func (o *operator) json(t *testing.T, args ...string) map[string]any {
	t.Helper()
	out, err := o.h.mshub(map[string]string{"MSHUB_TOKEN": o.person.token()}, append(args, "--json")...)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, out)
}

// fails runs a command that has to be refused with these words.
func (o *operator) fails(t *testing.T, want string, args ...string) {
	t.Helper()
	if _, err := o.h.mshub(map[string]string{"MSHUB_TOKEN": o.person.token()}, args...); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("mshub %s: got %v, want %q", strings.Join(args, " "), err, want)
	}
}

func (o *operator) schedule(t *testing.T) {
	made := o.json(t, "schedules", "create", "morning", "--process", "digest", "--cron", "30 6 * * 1-5", "--time-zone", "Europe/Berlin", "--input", `{"hours":24}`)
	if times, _ := made["nextTimes"].([]any); made["name"] != "schedules/morning" || len(times) != 5 {
		t.Errorf("created %v", made)
	}
	o.fails(t, "cron", "schedules", "create", "never", "--process", "digest", "--cron", "0 0 31 2 *")
	o.fails(t, "imeZone", "schedules", "create", "mars", "--process", "digest", "--cron", "@daily", "--time-zone", "Mars/Olympus")
	run := o.json(t, "schedules", "run", "morning", "--reason", "a look before the meeting")
	if end := o.person.api().ends(fmt.Sprint(run["name"]), time.Minute); end["state"] != "COMPLETED" || end["schedule"] != "schedules/morning" {
		t.Errorf("the run ended %v: %v", end["state"], end["error"])
	}
	if paused := o.json(t, "schedules", "pause", "morning", "--reason", "holidays"); paused["paused"] != true || paused["nextTimes"] != nil {
		t.Errorf("paused: %v", paused)
	}
	o.json(t, "schedules", "resume", "morning")
	o.json(t, "schedules", "create", "count", "--process", "runbulk", "--cron", "0 6 * * 1-5", "--input", `{"command":"PAUSE","filter":"process=\"digest\"","reason":"how many","dryRun":true}`)
	from, until := time.Now().Add(-8*24*time.Hour).UTC().Format(time.DateOnly), time.Now().Add(-24*time.Hour).UTC().Format(time.DateOnly)
	filled, _ := o.json(t, "schedules", "backfill", "count", "--from", from, "--until", until)["runs"].([]any)
	again, _ := o.json(t, "schedules", "backfill", "count", "--from", from, "--until", until)["runs"].([]any)
	if len(filled) != 5 || fmt.Sprint(filled) != fmt.Sprint(again) {
		t.Errorf("a week of workdays gave %v, and again %v", filled, again)
	}
	o.json(t, "schedules", "delete", "count")
	o.json(t, "schedules", "delete", "morning")
}

// export is the way there and back: what was imported comes out as it went in.
func (o *operator) export(t *testing.T) {
	o.json(t, "datasets", "create", "planes", "--like", "../../../examples/planes.csv", "--key", "tailnum")
	file := o.json(t, "files", "put", "../../../examples/planes.csv")
	o.json(t, "run", "recordimport", "--watch", "--key", "planes", "--input", fmt.Sprintf(`{"file":%q,"dataset":"datasets/planes","mode":"INSERT"}`, file["name"]))
	out := o.json(t, "run", "recordexport", "--watch", "--input", `{"dataset":"datasets/planes","format":"CSV","columns":["tailnum","year"],"filter":"year>=2010"}`)
	result, _ := out["result"].(map[string]any)
	text, err := o.h.mshub(map[string]string{"MSHUB_TOKEN": o.person.token()}, "files", "get", fmt.Sprint(result["file"]))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	source, err := os.Open("../../../examples/planes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	for i, row := range rows(t, source) {
		if i > 0 && row[1] >= "2010" && row[1] != "NA" {
			want[row[0]] = row[1]
		}
	}
	got := rows(t, strings.NewReader(text))
	if strings.Join(got[0], ",") != "tailnum,year" || len(got)-1 != len(want) || fmt.Sprint(len(want)) != fmt.Sprint(result["rows"]) {
		t.Fatalf("%d rows under %v, want %d; the run says %v", len(got)-1, got[0], len(want), result)
	}
	for _, row := range got[1:] {
		if want[row[0]] != row[1] {
			t.Errorf("%s is of %s, want %s", row[0], row[1], want[row[0]])
		}
	}
	if list, _ := o.json(t, "runs", "list", "--key", "planes")["runs"].([]any); len(list) != 1 {
		t.Errorf("runs with the key: %v", list)
	}
}

func rows(t *testing.T, from io.Reader) [][]string {
	t.Helper()
	all, err := csv.NewReader(from).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// webhook: an address that is away at first gets the event, signed, under one id.
func (o *operator) webhook(t *testing.T) {
	var mu sync.Mutex
	ids := map[string][]string{} // by run
	var key []byte
	forged := 0
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		mac := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), raw)
		if !strings.Contains(r.Header.Get("Webhook-Signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))) {
			forged++
		}
		var event struct {
			Type string
			Data struct{ Run string }
		}
		if _ = json.Unmarshal(raw, &event); event.Type != "runs.run.completed" {
			return // the ping
		}
		told := append(ids[event.Data.Run], r.Header.Get("Webhook-Id"))
		if ids[event.Data.Run] = told; len(told) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer endpoint.Close()
	made := o.json(t, "webhooks", "create", "--title", "Test", "--url", endpoint.URL, "--event", "runs.run.completed")
	hook, _ := made["webhook"].(map[string]any)
	mu.Lock()
	key, _ = base64.StdEncoding.DecodeString(strings.TrimPrefix(fmt.Sprint(made["secret"]), "whsec_"))
	mu.Unlock()
	if pinged := o.json(t, "webhooks", "test", fmt.Sprint(hook["name"])); pinged["state"] != "DELIVERED" {
		t.Errorf("the ping: %v", pinged)
	}
	run := fmt.Sprint(o.json(t, "run", "digest", "--watch")["name"])
	eventually(t, time.Minute, "the second attempt", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(ids[run]) == 2
	})
	mu.Lock()
	if told := ids[run]; told[0] != told[1] || forged > 0 {
		t.Errorf("ids %v, %d wrong signatures", told, forged)
	}
	mu.Unlock()
	eventually(t, time.Minute, "the delivery is noted", func() bool {
		delivered, _ := o.json(t, "webhooks", "deliveries", fmt.Sprint(hook["name"]), "--state", "delivered")["deliveries"].([]any)
		return len(delivered) > 0
	})
	o.json(t, "webhooks", "delete", fmt.Sprint(hook["name"]))
}

// apply: what the example says is made true once, and then there is nothing to change.
func (o *operator) apply(t *testing.T) {
	as := map[string]string{"MSHUB_TOKEN": o.person.token()}
	const example = "../../../examples/house.yaml"
	planned, err := o.h.mshub(as, "apply", "-f", example, "--dry-run")
	if err != nil || !strings.Contains(planned, "+ schedule morning-digest") || !strings.Contains(planned, "+ webhook Chat") {
		t.Fatalf("%v\n%s", err, planned)
	}
	made, err := o.h.mshub(as, "apply", "-f", example)
	if err != nil || strings.Count(made, "whsec_") != 1 {
		t.Fatalf("the webhook's secret is shown once: %v\n%s", err, made)
	}
	if again, err := o.h.mshub(as, "apply", "-f", example); err != nil || strings.TrimSpace(again) != "nothing to change" {
		t.Errorf("a second time: %v\n%s", err, again)
	}
	broken := filepath.Join(t.TempDir(), "house.yaml")
	if err := os.WriteFile(broken, []byte("schedules:\n  - id: x\n    process: digest\n    crom: '@daily'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.fails(t, "line 4", "apply", "-f", broken)
}

// bulk: a thousand runs wait in line behind the one that the limit lets run; one command holds them all.
func (o *operator) bulk(t *testing.T) {
	const many = 1000
	c := o.person.api()
	token := c.token()
	c.token = func() string { return token }
	var starting sync.WaitGroup
	for part := range 4 {
		starting.Go(func() {
			for i := part; i < many; i += 4 {
				c.must(http.MethodPost, "/v1/runs", map[string]any{
					"process": "onboarding", "priority": 3, "input": map[string]any{"email": fmt.Sprintf("p%d@example.com", i), "displayName": "P", "role": "member"},
				})
			}
		})
	}
	starting.Wait()
	queued, _ := o.json(t, "runs", "list", "--state", "queued", "--page-size", "1000")["runs"].([]any)
	if len(queued) != many-1 {
		t.Fatalf("%d runs wait, want %d", len(queued), many-1)
	}
	last, _ := queued[0].(map[string]any)
	if shown := o.json(t, "runs", "show", fmt.Sprint(last["name"])); fmt.Sprint(shown["queuePosition"]) != fmt.Sprint(many-1) {
		t.Errorf("the last in line has place %v", shown["queuePosition"])
	}
	o.json(t, "runs", "prioritise", fmt.Sprint(last["name"]), "--priority", "1", "--reason", "the boss")
	if shown := o.json(t, "runs", "show", fmt.Sprint(last["name"])); fmt.Sprint(shown["queuePosition"]) != "1" {
		t.Errorf("the first in line has place %v", shown["queuePosition"])
	}
	queue := []string{"--process", "onboarding", "--state", "queued", "--reason", "maintenance"}
	plan := o.result(t, append([]string{"runs", "bulk", "cancel", "--dry-run"}, queue...)...)
	if plan["runs"] != fmt.Sprint(many-1) || o.count(t, "cancelled") != 0 {
		t.Errorf("a dry run counted %v and did something", plan)
	}
	// What has not begun can't be paused: every refusal is in the file.
	refused := o.result(t, append([]string{"runs", "bulk", "pause"}, queue...)...)
	list, err := o.h.mshub(map[string]string{"MSHUB_TOKEN": o.person.token()}, "files", "get", fmt.Sprint(refused["failures"]))
	if err != nil || refused["failed"] != fmt.Sprint(many-1) || strings.Count(list, "QUEUED") != many-1 {
		t.Errorf("%v: %v, %d lines name the reason", err, refused, strings.Count(list, "QUEUED"))
	}
	if done := o.result(t, append([]string{"runs", "bulk", "cancel"}, queue...)...); done["done"] != fmt.Sprint(many-1) {
		t.Errorf("cancelled: %v", done)
	}
	if n := o.count(t, "cancelled"); n != many-1 {
		t.Errorf("%d runs are cancelled, want %d", n, many-1)
	}
}

// parked: a step that a service refuses waits for the operator, who may try it again, and may not skip what the rest needs.
// The only administrator can't be forgotten; once there is a second one the run goes on, to that one's decision.
func (o *operator) parked(t *testing.T) {
	run := fmt.Sprint(o.json(t, "run", "erasure", "--input", `{"user":"ada@example.com","reason":"request 12"}`)["name"])
	failures := func() (n int) {
		events, _ := o.person.api().must(http.MethodGet, "/v1/"+run+"/events?pageSize=1000", nil)["events"].([]any)
		for _, e := range events {
			if event, _ := e.(map[string]any); event["kind"] == "step.failed" {
				n++
			}
		}
		return n
	}
	var shown map[string]any
	eventually(t, time.Minute, "parked", func() bool { shown = o.json(t, "runs", "show", run); return shown["parked"] == true })
	if commands := fmt.Sprint(shown["commands"]); !strings.Contains(commands, "RETRY_STEP") || strings.Contains(commands, "SKIP_STEP") {
		t.Errorf("the operator may %s", commands)
	}
	o.fails(t, "reason", "runs", "skip-step", run)
	o.fails(t, "NOT_SKIPPABLE", "runs", "skip-step", run, "--reason", "who needs that")
	o.json(t, "runs", "retry-step", run, "--reason", "once more")
	eventually(t, time.Minute, "the second failure", func() bool { return failures() == 2 })

	out, err := o.h.mshub(nil, "admin", "link")
	if err != nil {
		t.Fatal(err)
	}
	second := &house{t: t, url: o.h.url, link: strings.TrimSpace(out)}
	o.second = &operator{t: t, h: o.h, person: second.administrator("ben@example.com")}
	eventually(t, time.Minute, "parked again", func() bool { return o.json(t, "runs", "show", run)["parked"] == true })
	o.json(t, "runs", "retry-step", run, "--reason", "there is a second administrator")
	task := fmt.Sprint(o.second.person.api().task(run)["name"])
	o.second.fails(t, "reason", "tasks", "decide", task, "reject")
	o.second.json(t, "tasks", "decide", task, "reject", "--reason", "she is still needed")
	if end := o.person.api().ends(run, time.Minute); end["state"] != "FAILED" {
		t.Errorf("ended %v", end["state"])
	}
}

// votes: an erasure needs another administrator than who asked for it, and one decision.
func (o *operator) votes(t *testing.T) {
	run := fmt.Sprint(o.json(t, "run", "erasure", "--input", `{"user":"p0@example.com","reason":"request 13"}`)["name"])
	task := fmt.Sprint(o.second.person.api().task(run)["name"])
	o.fails(t, "FOUR_EYES", "tasks", "decide", task, "approve")
	if shown := o.second.json(t, "tasks", "show", task); shown["fourEyes"] != true || shown["decidable"] != true {
		t.Errorf("the other administrator sees %v", shown)
	}
	o.second.fails(t, "assignee", "tasks", "delegate", task, "--to", "users/01900000-0000-7000-8000-000000000009")
	o.second.fails(t, "assignee", "tasks", "delegate", task, "--to", "roles/viewer")
	o.second.json(t, "tasks", "claim", task)
	if decided := o.second.json(t, "tasks", "decide", task, "approve", "--reason", "as the law says"); decided["state"] != "DECIDED" {
		t.Errorf("decided: %v", decided)
	}
	o.second.fails(t, "ALREADY_DECIDED", "tasks", "decide", task, "approve")
	end := o.person.api().ends(run, 2*time.Minute)
	if result, _ := end["result"].(map[string]any); end["state"] != "COMPLETED" || result["certificate"] == nil {
		t.Errorf("ended %v with %v: %v", end["state"], result, end["error"])
	}
	if shown := o.json(t, "runs", "show", run); strings.Contains(fmt.Sprint(shown), "p0@") {
		t.Errorf("the run keeps the address that it was started with: %v", shown)
	}
}

// result is what a command that starts a run and watches it ended with.
func (o *operator) result(t *testing.T, args ...string) map[string]any {
	t.Helper()
	result, _ := o.json(t, args...)["result"].(map[string]any)
	return result
}

func (o *operator) count(t *testing.T, state string) int {
	t.Helper()
	runs, _ := o.json(t, "runs", "list", "--process", "onboarding", "--state", state, "--page-size", "1000")["runs"].([]any)
	return len(runs)
}
