package e2e

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	flights     = "../../../examples/flights.csv.gz"
	flightCount = 336776
)

// TestFirstAdministrator is points 1 and 2: a ready line with the addresses, one link, a password, signed in; and no
// second link once there is an administrator.
func TestFirstAdministrator(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	if h.temporal == "" || h.ops == "" {
		t.Errorf("the addresses of Temporal's web UI and of the metrics were not printed:\n%s", h.output())
	}
	admin := h.administrator("ada@example.com")
	me := admin.api().must(http.MethodGet, "/v1/me", nil)
	if permissions := fmt.Sprint(me["permissions"]); permissions != "[*]" {
		t.Errorf("the first administrator may %s, want *", permissions)
	}
	again := h.person()
	res, err := again.http.Get(h.link)
	if err != nil {
		t.Fatal(err)
	}
	if page := body(t, res); strings.Contains(page, `name="password"`) {
		t.Error("the one-time link works twice")
	}
	signedIn := h.person()
	signedIn.submit("/signin", map[string]string{"email": "ADA@example.com", "password": password})
	signedIn.token()

	h.kill()
	h.link = ""
	h.start()
	if h.link != "" {
		t.Error("a link was printed although an administrator exists")
	}
	admin.token() // the session outlives the restart
}

var link = regexp.MustCompile(`http://[^\s"<>]+/verify\?link=[A-Za-z0-9_-]+`)

// mailTo waits for a captured mail with a subject and returns its text.
func (h *house) mailTo(recipient, subject string) string {
	h.t.Helper()
	var text string
	eventually(h.t, 30*time.Second, fmt.Sprintf("a mail %q to %s", subject, recipient), func() bool {
		res, err := http.Get(h.url + "/dev/mailbox?format=json")
		if err != nil {
			return false
		}
		mails, _ := decode(h.t, body(h.t, res))["mails"].([]any)
		for _, m := range mails {
			mail, _ := m.(map[string]any)
			if strings.Contains(fmt.Sprint(mail["to"]), recipient) && strings.Contains(fmt.Sprint(mail["subject"]), subject) {
				text = fmt.Sprint(mail["text"])
				return true
			}
		}
		return false
	})
	return text
}

// invite starts an onboarding by the command line's API and accepts the invitation as the person.
func invite(h *house, c *client, email, approver string) (run string, invited *person) {
	h.t.Helper()
	started := c.must(http.MethodPost, "/v1/runs", map[string]any{
		"process": "onboarding",
		"input":   map[string]any{"email": email, "displayName": "Ben Newcomer", "role": "member", "approver": approver},
	})
	run = fmt.Sprint(started["name"])
	mail := h.mailTo(email, "invited")
	address := link.FindString(mail)
	if address == "" {
		h.t.Fatalf("no link in the invitation:\n%s", mail)
	}
	invited = h.person()
	if res := invited.submit(address, map[string]string{"password": password}); res.StatusCode != http.StatusOK {
		h.t.Fatalf("accepting the invitation: %s\n%s", res.Status, body(h.t, res))
	}
	return run, invited
}

// task waits for the open task of a run.
func (c *client) task(run string) map[string]any {
	c.t.Helper()
	var found map[string]any
	eventually(c.t, 30*time.Second, "an open task of "+run, func() bool {
		list := c.must(http.MethodGet, `/v1/tasks?mine=true&filter=`+`state%3D%22OPEN%22`, nil)
		tasks, _ := list["tasks"].([]any)
		for _, one := range tasks {
			if m, _ := one.(map[string]any); m["run"] == run {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// TestOnboarding is point 3: invited, accepted, approved; and everything undone on rejection and on cancel.
func TestOnboarding(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	admin := h.administrator("ada@example.com").api()

	t.Run("approved", func(t *testing.T) {
		run, ben := invite(h, admin, "ben@example.com", "ada@example.com")
		task := admin.task(run)
		decided := admin.must(http.MethodPost, "/v1/"+fmt.Sprint(task["name"])+":decide", map[string]any{"decision": "APPROVE", "reason": "welcome", "version": task["version"]})
		if decided["state"] != "DECIDED" {
			t.Errorf("the task is %v after the decision", decided["state"])
		}
		admin.refused(http.StatusBadRequest, "failed_precondition", http.MethodPost, "/v1/"+fmt.Sprint(task["name"])+":decide", map[string]any{"decision": "REJECT", "reason": "too late"})
		if end := admin.ends(run, time.Minute); end["state"] != "COMPLETED" {
			t.Fatalf("the run ended %v: %v", end["state"], end["error"])
		}
		h.mailTo("ben@example.com", "elcome")
		me := ben.api().must(http.MethodGet, "/v1/me", nil)
		if !strings.Contains(fmt.Sprint(me["permissions"]), "records.*") {
			t.Errorf("the new member may %v", me["permissions"])
		}
	})
	t.Run("rejected", func(t *testing.T) {
		run, _ := invite(h, admin, "rosa@example.com", "ada@example.com")
		task := admin.task(run)
		admin.refused(http.StatusBadRequest, "invalid_argument", http.MethodPost, "/v1/"+fmt.Sprint(task["name"])+":decide", map[string]any{"decision": "REJECT"})
		admin.must(http.MethodPost, "/v1/"+fmt.Sprint(task["name"])+":decide", map[string]any{"decision": "REJECT", "reason": "not now"})
		if end := admin.ends(run, time.Minute); end["state"] != "FAILED" && end["state"] != "CANCELLED" {
			t.Errorf("a rejected onboarding ended %v", end["state"])
		}
		gone(t, admin, "rosa@example.com")
	})
	t.Run("cancelled", func(t *testing.T) {
		started := admin.must(http.MethodPost, "/v1/runs", map[string]any{
			"process": "onboarding", "input": map[string]any{"email": "carl@example.com", "displayName": "Carl", "role": "member"},
		})
		run := fmt.Sprint(started["name"])
		h.mailTo("carl@example.com", "invited")
		admin.must(http.MethodPost, "/v1/"+run+":cancel", map[string]any{"reason": "wrong person"})
		if end := admin.ends(run, time.Minute); end["state"] != "CANCELLED" {
			t.Errorf("a cancelled onboarding ended %v", end["state"])
		}
		gone(t, admin, "carl@example.com")
	})
}

func gone(t *testing.T, c *client, email string) {
	t.Helper()
	list := c.must(http.MethodGet, "/v1/users?pageSize=1000", nil)
	if strings.Contains(fmt.Sprint(list["users"]), email) {
		t.Errorf("%s is still there after everything was undone", email)
	}
}

// flightsDataset creates the dataset from what the file looks like, by the command line.
func flightsDataset(h *house, env map[string]string) {
	h.t.Helper()
	if _, err := h.mshub(env, "datasets", "create", "flights", "--like", flights, "--key", "time_hour,carrier,flight", "--title", "Flights"); err != nil {
		h.t.Fatal(err)
	}
}

// TestImportSurvivesSIGKILL is points 4 and 5: the whole file, the process killed in the middle, every record once.
func TestImportSurvivesSIGKILL(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	h.administrator("ada@example.com")
	c, id, secret := h.machine("runs:write records:write files:write")
	env := map[string]string{"MSHUB_CLIENT_ID": id, "MSHUB_CLIENT_SECRET": secret}
	flightsDataset(h, env)
	content, err := os.Open(flights)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	file := c.upload("flights.csv.gz", content)
	input := map[string]any{"process": "recordimport", "input": map[string]any{"file": file, "dataset": "datasets/flights", "mode": "UPSERT"}}
	started := c.must(http.MethodPost, "/v1/runs", input, "Idempotency-Key", "flights-1")
	run := fmt.Sprint(started["name"])
	if again := c.must(http.MethodPost, "/v1/runs", input, "Idempotency-Key", "flights-1"); again["name"] != run {
		t.Errorf("the same key started %v beside %s", again["name"], run)
	}
	input["title"] = "another"
	input["input"].(map[string]any)["mode"] = "INSERT"
	c.refused(http.StatusConflict, "already_exists", http.MethodPost, "/v1/runs", input, "Idempotency-Key", "flights-1")

	eventually(t, 2*time.Minute, "a third of the rows", func() bool { return done(c.must(http.MethodGet, "/v1/"+run, nil)) > flightCount/3 })
	h.kill()
	eventually(t, 30*time.Second, "the killed house's children are gone", func() bool { return len(h.children()) == 0 })
	h.start()

	end := c.ends(run, 5*time.Minute)
	result, _ := end["result"].(map[string]any)
	if end["state"] != "COMPLETED" || fmt.Sprint(result["read"]) != fmt.Sprint(flightCount) || fmt.Sprint(result["inserted"]) != fmt.Sprint(flightCount) {
		t.Errorf("the import ended %v with %v, error %v", end["state"], result, end["error"])
	}
	if count := c.must(http.MethodGet, "/v1/datasets/flights/records:count", nil)["count"]; fmt.Sprint(count) != fmt.Sprint(flightCount) {
		t.Errorf("%v records, want %d", count, flightCount)
	}
	page := c.must(http.MethodGet, "/v1/datasets/flights/records?pageSize=2&filter="+`carrier%3D%22UA%22%20AND%20dep_delay%3E%3D300`, nil)
	records, _ := page["records"].([]any)
	if len(records) != 2 || page["nextPageToken"] == "" {
		t.Errorf("browsing gave %v", page)
	}

	// The journal is gap-free over the kill.
	events := c.must(http.MethodGet, "/v1/"+run+"/events?pageSize=1000", nil)
	list, _ := events["events"].([]any)
	for i, e := range list {
		if seq := fmt.Sprint(e.(map[string]any)["seq"]); seq != fmt.Sprint(i+1) {
			t.Fatalf("event %d has seq %s", i+1, seq)
		}
	}

	out, err := h.mshub(env, "run", "recordimport", "--watch", "--json", "--input", fmt.Sprintf(`{"file":%q,"dataset":"datasets/flights","mode":"UPSERT"}`, file))
	if err != nil {
		t.Fatal(err)
	}
	again, _ := decode(t, out)["result"].(map[string]any)
	if fmt.Sprint(again["unchanged"]) != fmt.Sprint(flightCount) {
		t.Errorf("importing the same file again gave %v", again)
	}
}

func done(run map[string]any) int {
	progress, _ := run["progress"].(map[string]any)
	n := 0
	_, _ = fmt.Sscan(fmt.Sprint(progress["done"]), &n)
	return n
}

// TestRejects: bad rows are told by line, column, value and reason, and nothing is lost.
func TestRejects(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	c := h.administrator("ada@example.com").api()
	c.must(http.MethodPost, "/v1/datasets?datasetId=planes", map[string]any{
		"title": "Planes", "key": []string{"tailnum"},
		"schema": map[string]any{"type": "object", "required": []string{"tailnum"}, "properties": map[string]any{
			"tailnum": map[string]any{"type": "string"}, "year": map[string]any{"type": "integer"},
		}},
	})
	file := c.upload("planes.csv", strings.NewReader("tailnum,year\nN1,2001\nN2,soon\nN1,2002\n,1999\nN3,NA\n"))
	started := c.must(http.MethodPost, "/v1/runs", map[string]any{"process": "recordimport", "input": map[string]any{"file": file, "dataset": "datasets/planes", "mode": "UPSERT"}})
	end := c.ends(fmt.Sprint(started["name"]), time.Minute)
	result, _ := end["result"].(map[string]any)
	for what, want := range map[string]string{"read": "5", "inserted": "2", "rejected": "3"} {
		if fmt.Sprint(result[what]) != want {
			t.Errorf("%s is %v, want %s (%v)", what, result[what], want, end["error"])
		}
	}
	rejects := c.must(http.MethodPost, "/v1/"+fmt.Sprint(result["rejects"])+":download", map[string]any{})
	res, err := http.Get(fmt.Sprint(rejects["url"]))
	if err != nil {
		t.Fatal(err)
	}
	text := body(t, res)
	for _, want := range []string{"3,year,soon,", "4,tailnum,N1,", "5,tailnum,,"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the rejects file:\n%s", want, text)
		}
	}
}
