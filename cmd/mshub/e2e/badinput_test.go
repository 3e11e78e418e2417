package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestBadInput: whatever is wrong is named, nothing is a 500, nothing exists that was refused.
func TestBadInput(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	c := h.administrator("ada@example.com").api()
	c.must(http.MethodPost, "/v1/datasets?datasetId=planes", map[string]any{
		"title": "Planes", "key": []string{"tailnum"},
		"schema": map[string]any{"type": "object", "required": []string{"tailnum"}, "properties": map[string]any{
			"tailnum": map[string]any{"type": "string"}, "year": map[string]any{"type": "integer"},
		}},
	})

	t.Run("starting", func(t *testing.T) {
		c.refused(http.StatusNotFound, "not_found", http.MethodPost, "/v1/runs", map[string]any{"process": "nonsense"})
		for field, input := range map[string]map[string]any{
			"email":   {"email": "nobody", "displayName": "N", "role": "member"},
			"role":    {"email": "n@example.com", "displayName": "N"},
			"unknown": {"email": "n@example.com", "displayName": "N", "role": "member", "unknown": 1},
		} {
			if message := c.refused(http.StatusBadRequest, "invalid_argument", http.MethodPost, "/v1/runs", map[string]any{"process": "onboarding", "input": input}); !strings.Contains(message, field) {
				t.Errorf("the refusal does not name %q: %s", field, message)
			}
		}
		status, _ := c.call(http.MethodGet, "/v1/runs?filter=state%3D", nil)
		if status != http.StatusBadRequest {
			t.Errorf("a broken filter gave %d", status)
		}
	})

	t.Run("tokens", func(t *testing.T) {
		good := c.token()
		altered := good[:len(good)-6] + "AAAAAA"
		for what, token := range map[string]string{"none": "", "garbage": "abc", "altered": altered} {
			bad := &client{t: t, h: h, token: func() string { return token }}
			if token == "" {
				bad.token = nil
			}
			bad.refused(http.StatusUnauthorized, "unauthenticated", http.MethodGet, "/v1/runs", nil)
			_ = what
		}
	})

	t.Run("files", func(t *testing.T) {
		var gz bytes.Buffer
		w := gzip.NewWriter(&gz)
		for i := range 2000 {
			_, _ = fmt.Fprintf(w, "N%d,%d\n", i, 1950+i%70)
		}
		_ = w.Close()
		for what, content := range map[string]string{
			"truncated gzip":    gz.String()[:gz.Len()/2],
			"empty":             "",
			"only a header":     "tailnum,year\n",
			"duplicate header":  "tailnum,tailnum\nN1,2\n",
			"unknown column":    "tailnum,colour\nN1,red\n",
			"no key column":     "year\n2001\n",
			"bad UTF-8":         "tailnum,year\nÄ1,2000\nN\xff,2001\n",
			"not gzip, says so": "\x1f\x8bnonsense",
		} {
			file := ""
			if what == "empty" {
				// An empty upload is refused at the door or by the import; both are fine, a success is not.
				status, out := c.raw("empty.csv", "")
				if status != http.StatusOK {
					continue
				}
				file = fmt.Sprint(out["name"])
			} else {
				file = c.upload(strings.ReplaceAll(what, " ", "-")+".csv", strings.NewReader(content))
			}
			started := c.must(http.MethodPost, "/v1/runs", map[string]any{"process": "recordimport", "input": map[string]any{"file": file, "dataset": "datasets/planes", "mode": "UPSERT"}})
			end := c.ends(fmt.Sprint(started["name"]), time.Minute)
			result, _ := end["result"].(map[string]any)
			failed := end["state"] == "FAILED" && fmt.Sprint(end["error"]) != "<nil>"
			empty := end["state"] == "COMPLETED" && fmt.Sprint(result["inserted"]) == "0"
			rejected := end["state"] == "COMPLETED" && fmt.Sprint(result["rejected"]) != "0"
			switch what {
			case "only a header":
				if !failed && !empty {
					t.Errorf("%s: %v %v %v", what, end["state"], result, end["error"])
				}
			case "bad UTF-8":
				if !failed && !rejected {
					t.Errorf("%s: %v %v %v", what, end["state"], result, end["error"])
				}
			default:
				if !failed {
					t.Errorf("%s: %v %v", what, end["state"], result)
				}
			}
		}
		for what, content := range map[string]string{
			"BOM":            "\ufefftailnum,year\nB1,2001\n",
			"CRLF":           "tailnum,year\r\nB2,2001\r\n",
			"quoted newline": "tailnum,year\n\"B\n3\",2001\n",
			"column order":   "year,tailnum\n2001,B4\n",
		} {
			file := c.upload("fine.csv", strings.NewReader(content))
			started := c.must(http.MethodPost, "/v1/runs", map[string]any{"process": "recordimport", "input": map[string]any{"file": file, "dataset": "datasets/planes", "mode": "UPSERT"}})
			end := c.ends(fmt.Sprint(started["name"]), time.Minute)
			result, _ := end["result"].(map[string]any)
			if end["state"] != "COMPLETED" || fmt.Sprint(result["inserted"]) != "1" {
				t.Errorf("%s: %v %v %v", what, end["state"], result, end["error"])
			}
		}
	})

	t.Run("live", func(t *testing.T) {
		address := strings.Replace(h.url, "http", "ws", 1) + "/live"
		if _, res, err := websocket.DefaultDialer.Dial(address, http.Header{"Origin": {"https://evil.example"}}); err == nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("a foreign origin was let in: %v", err)
		}
		for what, frames := range map[string][]string{
			"garbage":      {"{nonsense"},
			"bad token":    {`{"type":"auth","token":"abc"}`},
			"no token":     {`{"type":"subscribe","topic":"run:1","after":0}`},
			"foreign run":  {fmt.Sprintf(`{"type":"auth","token":%q}`, c.token()), `{"type":"subscribe","topic":"run:01890000-0000-7000-8000-000000000000","after":0}`},
			"silly topic":  {fmt.Sprintf(`{"type":"auth","token":%q}`, c.token()), `{"type":"subscribe","topic":"everything","after":0}`},
			"foreign hint": {fmt.Sprintf(`{"type":"auth","token":%q}`, c.token()), `{"type":"subscribe","topic":"org:01890000-0000-7000-8000-000000000000:runs"}`},
		} {
			conn, res, err := websocket.DefaultDialer.Dial(address, http.Header{"Origin": {h.url}})
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			for _, f := range frames {
				_ = conn.WriteMessage(websocket.TextMessage, []byte(f))
			}
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			for {
				var frame map[string]any
				if err := conn.ReadJSON(&frame); err != nil {
					if !websocket.IsCloseError(err, 3500, 3501, 3502, 3503, 3507) {
						t.Errorf("%s: %v", what, err)
					}
					break
				}
				if frame["type"] == "error" {
					break
				}
				if frame["type"] == "event" || frame["type"] == "subscribed" {
					t.Errorf("%s: got %v", what, frame)
					break
				}
			}
			_ = conn.Close()
		}
	})

	t.Run("pages", func(t *testing.T) {
		res, err := http.Get(h.url + "/v1/nothing")
		if err != nil {
			t.Fatal(err)
		}
		if text := body(t, res); res.StatusCode != http.StatusNotFound || !strings.HasPrefix(text, "{") {
			t.Errorf("an unknown address of the API: %s %s", res.Status, text)
		}
	})
}

// raw uploads without expecting success.
func (c *client) raw(name, content string) (int, map[string]any) {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, c.h.url+"/v1/files?name="+name, strings.NewReader(content))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	text := body(c.t, res)
	if text == "" {
		text = "{}"
	}
	return res.StatusCode, decode(c.t, text)
}
