package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// run starts a process and returns the run's name.
func (c *client) run(process string, input map[string]any) string {
	c.t.Helper()
	return fmt.Sprint(c.must(http.MethodPost, "/v1/runs", map[string]any{"process": process, "input": input})["name"])
}

// decide answers the open task of a run that the client may decide.
func (c *client) decide(run string, with map[string]any) {
	c.t.Helper()
	c.must(http.MethodPost, "/v1/"+fmt.Sprint(c.task(run)["name"])+":decide", with)
}

// accept follows the invitation that somebody got by mail.
func (h *house) accept(email string) *person {
	h.t.Helper()
	somebody := h.person()
	if res := somebody.submit(link.FindString(h.mailTo(email, "invited")), map[string]string{"password": password}); res.StatusCode != http.StatusOK {
		h.t.Fatalf("accepting the invitation of %s: %s", email, res.Status)
	}
	return somebody
}

// completed waits for a run that has to succeed and returns its result.
func (c *client) completed(run string) map[string]any {
	c.t.Helper()
	end := c.ends(run, time.Minute)
	if end["state"] != "COMPLETED" {
		c.t.Fatalf("%s ended %v: %v", run, end["state"], end["error"])
	}
	result, _ := end["result"].(map[string]any)
	return result
}

// TestPeople: many are invited from a file, a customer hands in documents and needs two approvals, somebody is forgotten,
// and a digest tells of what failed.
func TestPeople(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	ada := h.administrator("ada@example.com").api()

	file := ada.upload("people.csv", strings.NewReader("email,displayName,role\neve@example.com,Eve,admin\nbob@example.com,Bob,\ndora@example.com,Dora,member\nnonsense,N,\n"))
	sum := ada.completed(ada.run("userbulk", map[string]any{"action": "INVITE", "file": file, "role": "viewer", "reason": "the team"}))
	if sum["done"] != "3" || sum["failed"] != "1" || !strings.HasPrefix(fmt.Sprint(sum["list"]), "files/") {
		t.Fatalf("userbulk: %v", sum)
	}
	eve, bob := h.accept("eve@example.com").api(), h.accept("bob@example.com").api()
	if me := eve.must(http.MethodGet, "/v1/me", nil); fmt.Sprint(me["permissions"]) != "[*]" {
		t.Errorf("eve may %v", me["permissions"])
	}

	t.Run("a customer", func(t *testing.T) {
		run := ada.run("onboarding", map[string]any{
			"email": "carl@example.com", "displayName": "Carl", "role": "viewer", "variant": "CUSTOMER", "documents": []string{"Passport"}, "limit": "20000",
		})
		carl := h.accept("carl@example.com").api()
		h.mailTo("carl@example.com", "needs documents")
		passport := carl.upload("passport.txt", strings.NewReader("P<UTO"))
		carl.refused(http.StatusForbidden, "permission_denied", http.MethodGet, "/v1/files", nil)
		carl.refused(http.StatusForbidden, "permission_denied", http.MethodGet, "/v1/runs", nil)
		carl.task(run)
		if tasks, _ := carl.must(http.MethodGet, "/v1/tasks", nil)["tasks"].([]any); len(tasks) != 1 {
			t.Errorf("a newcomer sees %v", tasks)
		}
		carl.decide(run, map[string]any{"decision": "APPROVE", "form": map[string]any{"files": []string{passport}}})
		first := ada.task(run)
		if files := fmt.Sprint(first["files"]); files != "["+passport+"]" {
			t.Errorf("the approver sees %s", files)
		}
		ada.decide(run, map[string]any{"decision": "APPROVE", "form": map[string]any{"limit": "15000", "note": "Call me Al."}})
		second := ""
		eventually(t, 30*time.Second, "the second approval", func() bool {
			tasks, _ := eve.must(http.MethodGet, `/v1/tasks?filter=state%3D%22OPEN%22`, nil)["tasks"].([]any)
			for _, one := range tasks {
				if task, _ := one.(map[string]any); task["run"] == run && task["step"] == "second-approval" {
					second = fmt.Sprint(task["name"])
				}
			}
			return second != ""
		})
		if status, answer := ada.call(http.MethodPost, "/v1/"+second+":decide", map[string]any{"decision": "APPROVE"}); status == http.StatusOK {
			t.Errorf("the first approver was the second one too: %v", answer)
		}
		eve.decide(run, map[string]any{"decision": "APPROVE"})
		if result := ada.completed(run); result["limit"] != "15000" || result["decidedBy"] == result["secondDecidedBy"] {
			t.Errorf("%v", result)
		}
		if mail := h.mailTo("carl@example.com", "Welcome"); !strings.Contains(mail, "15000") || !strings.Contains(mail, "Call me Al.") {
			t.Errorf("the welcome:\n%s", mail)
		}
	})

	t.Run("erasure", func(t *testing.T) {
		bobs := fmt.Sprint(bob.must(http.MethodGet, "/v1/me", nil)["user"].(map[string]any)["name"])
		if counts := ada.completed(ada.run("erasure", map[string]any{"user": bobs, "reason": "request 1", "dryRun": true})); !strings.Contains(fmt.Sprint(counts["counts"]), "account:true") {
			t.Errorf("the dry run: %v", counts)
		}
		run := ada.run("erasure", map[string]any{"user": bobs, "reason": "request 1"})
		waiting := eve.task(run)
		if status, answer := ada.call(http.MethodPost, "/v1/"+fmt.Sprint(waiting["name"])+":decide", map[string]any{"decision": "APPROVE"}); status == http.StatusOK {
			t.Errorf("who started it approved it: %v", answer)
		}
		eve.decide(run, map[string]any{"decision": "APPROVE"})
		result := ada.completed(run)
		if left := fmt.Sprint(result["left"]); strings.ContainsAny(left, "123456789") || strings.Contains(left, "true") {
			t.Errorf("left: %s", left)
		}
		gone(t, ada, "bob@example.com")
		for _, list := range []string{"/v1/messages?pageSize=1000", "/v1/auditEntries?pageSize=1000", "/v1/invitations?pageSize=1000", "/v1/runs?pageSize=1000", "/v1/tasks?pageSize=1000"} {
			if all := fmt.Sprint(ada.must(http.MethodGet, list, nil)); strings.Contains(all, "bob@example.com") {
				t.Errorf("%s still names the person", list)
			}
		}
		eventually(t, 10*time.Second, "a valid chain", func() bool {
			return ada.must(http.MethodGet, "/v1/auditEntries:verify", nil)["valid"] == true
		})
		download := ada.must(http.MethodPost, "/v1/"+fmt.Sprint(result["certificate"])+":download", map[string]any{})
		res, err := http.Get(fmt.Sprint(download["url"]))
		if err != nil {
			t.Fatal(err)
		}
		if text := body(t, res); !strings.Contains(text, `"certificate": "erasure"`) || strings.Contains(text, "bob@example.com") {
			t.Errorf("the certificate:\n%s", text)
		}
	})

	t.Run("digest", func(t *testing.T) {
		if end := ada.ends(ada.run("userbulk", map[string]any{"action": "DISABLE", "filter": `email="nobody"`, "reason": "fails"}), time.Minute); end["state"] != "FAILED" {
			t.Fatalf("%v", end)
		}
		if result := ada.completed(ada.run("digest", map[string]any{})); result["mails"] == "0" {
			t.Errorf("%v", result)
		}
		dora := h.accept("dora@example.com").api()
		dora.refused(http.StatusForbidden, "permission_denied", http.MethodPost, "/v1/runs", map[string]any{"process": "digest", "input": map[string]any{}})
		if mail := h.mailTo("ada@example.com", "what waits"); !strings.Contains(mail, "the filter names nobody") {
			t.Errorf("the digest:\n%s", mail)
		}
	})
}
