package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// follow reads the run's server-sent events after what r knows, updates r, and returns when the run or the feed ends.
func (a *api) follow(ctx context.Context, r *runsv1.Run, bar *bar) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/live/events?topic="+url.QueryEscape("run:"+strings.TrimPrefix(r.GetName(), "runs/")), nil)
	if err != nil {
		return err
	}
	token, err := a.token(ctx)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Last-Event-ID", strconv.FormatInt(r.GetSeq(), 10))
	res, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the live feed answered %s", res.Status)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var event eventsv1.Event
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal([]byte(data), &event); err != nil || event.GetSeq() == 0 {
			return nil // a snapshot or a hint: ask again
		}
		r.Seq = event.GetSeq()
		if event.GetProgress() != nil {
			r.Progress = event.GetProgress()
		}
		if event.GetStep() != "" {
			r.Step = event.GetStep()
		}
		if state, ok := runsv1.Run_State_value[event.GetState()]; ok {
			r.State = runsv1.Run_State(state)
		}
		bar.show(r)
		if ended(r.GetState()) {
			return nil
		}
	}
	return lines.Err()
}

func transient(err error) bool {
	code := connect.CodeOf(err)
	return code == connect.CodeUnavailable || code == connect.CodeUnknown || code == connect.CodeDeadlineExceeded
}

// bar draws progress: on a terminal one line that changes, otherwise a line for each change of state or step.
type bar struct {
	w        io.Writer
	terminal bool
	last     string
	started  time.Time
}

func newBar(w io.Writer, terminal bool) *bar {
	return &bar{w: w, terminal: terminal, started: time.Now()}
}

func (b *bar) show(r *runsv1.Run) {
	if !b.terminal {
		line := fmt.Sprintf("%s %s %s", r.GetName(), strings.ToLower(r.GetState().String()), r.GetStep())
		if line != b.last {
			fmt.Fprintln(b.w, line)
			b.last = line
		}
		return
	}
	const width = 30
	p, filled, percent := r.GetProgress(), 0, ""
	if p.GetTotal() > 0 {
		filled = int(min(p.GetDone(), p.GetTotal()) * width / p.GetTotal())
		percent = fmt.Sprintf("%3d%% ", p.GetDone()*100/p.GetTotal())
	}
	rate := ""
	if seconds := time.Since(b.started).Seconds(); p.GetDone() > 0 && seconds > 0.5 {
		rate = fmt.Sprintf("  %.0f %s/s", float64(p.GetDone())/seconds, p.GetUnit())
	}
	fmt.Fprintf(b.w, "\r\033[K[%s%s] %s%s %s %s%s", strings.Repeat("#", filled), strings.Repeat(".", width-filled), percent,
		strings.ToLower(r.GetState().String()), r.GetStep(), progressText(r), rate)
}

func (b *bar) end() {
	if b.terminal {
		fmt.Fprintln(b.w)
	}
}
