package digest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/timestamppb"

	identity "github.com/microservicehub/mshub/activities/identity"
	notify "github.com/microservicehub/mshub/activities/notify"
	runs "github.com/microservicehub/mshub/activities/runs"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	digestv1 "github.com/microservicehub/mshub/workflows/digest/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

const (
	// mailsAtOnce are one call of notify.
	mailsAtOnce = 100
	// linesAtMost of a kind stand in one mail; the inbox has the rest.
	linesAtMost = 20
)

// Process is the digest as the house knows it.
var Process = process.Definition{
	Name:        "digest",
	Title:       "Mail what waits",
	Description: "Mails each person the decisions that wait and the runs of theirs that failed. Nobody without news gets a mail, nor who wants none.",
	Input:       &digestv1.Input{},
	Result:      &digestv1.Result{},
	Permission:  "identity.read", // it writes to everybody: operators and administrators have that, members do not
	Schedule:    process.Schedule{Cron: "0 7 * * *"},
	Singleton:   true,
	Steps: []process.Step{
		{Name: "collect", Title: "Find what waits and what failed", Kind: process.Activity},
		{Name: "people", Title: "Find whom it concerns", Kind: process.Activity, Optional: true},
		{Name: "mails", Title: "Send the mails", Kind: process.Many, Optional: true},
	},
	Workflow: Workflow,
}

// Verbs are named by the methods of nil pointers; the workers have the real ones.
var (
	processes *runs.Activities
	people    *identity.Activities
	mail      *notify.Activities
)

// Workflow is the story; see the package.
func Workflow(ctx workflow.Context, in *digestv1.Input) (*digestv1.Result, error) {
	hours := time.Duration(cmp.Or(in.GetHours(), 24)) * time.Hour
	work, err := process.Do(ctx, "collect", processes.SummariseWork, &runsv1.SummariseWorkRequest{Since: timestamppb.New(workflow.Now(ctx).Add(-hours))})
	if err != nil {
		return nil, err
	}
	result := &digestv1.Result{Tasks: work.GetTaskCount(), FailedRuns: work.GetFailedCount()}
	concerns := concernsOf(work)
	if len(concerns) == 0 {
		return result, nil
	}
	found, err := process.Do(ctx, "people", people.ListAddressees, &identityv1.ListAddresseesRequest{Concerns: concerns, Digest: true})
	if err != nil || len(found.GetAddressees()) == 0 {
		return result, err
	}
	organisation, err := process.Aside(ctx, "mails", "organisation", people.GetOrganisation, &identityv1.GetOrganisationRequest{Name: process.Organisation(ctx)})
	if err != nil {
		return nil, err
	}
	var letters []*notifyv1.SendMailRequest
	for _, to := range found.GetAddressees() {
		letters = append(letters, letter(to, organisation.GetDisplayName(), work))
	}
	pages := slices.Collect(slices.Chunk(letters, mailsAtOnce))
	page := func(item int32) *notifyv1.SendMailsRequest { return &notifyv1.SendMailsRequest{Mails: pages[item-1]} }
	count := func(_ workflow.Context, _ int32, sent *notifyv1.SendMailsResponse) error {
		result.Mails += sent.GetSent()
		result.Refused += int64(len(sent.GetRefused()))
		return nil
	}
	err = process.EachThen(ctx, "mails", int32(len(pages)), 1, mail.SendMails, page, count)
	return result, err
}

// concernsOf lists users and roles, each once.
func concernsOf(work *runsv1.SummariseWorkResponse) []string {
	var all []string
	for _, line := range slices.Concat(work.GetTasks(), work.GetFailedRuns()) {
		if !slices.Contains(all, line.GetConcerns()) {
			all = append(all, line.GetConcerns())
		}
	}
	return all
}

func letter(to *identityv1.ListAddresseesResponse_Addressee, organisation string, work *runsv1.SummariseWorkResponse) *notifyv1.SendMailRequest {
	task := func(l *runsv1.SummariseWorkResponse_Line) string {
		if l.GetTime() == nil {
			return l.GetTitle()
		}
		return l.GetTitle() + " (until " + l.GetTime().AsTime().UTC().Format("2 January, 15:04") + " UTC)"
	}
	run := func(l *runsv1.SummariseWorkResponse_Line) string {
		return strings.TrimSuffix(l.GetProcess()+" "+l.GetTitle()+": "+l.GetMessage(), ": ")
	}
	return &notifyv1.SendMailRequest{Template: "digest", Recipient: to.GetEmail(), Unsubscribe: to.GetUnsubscribe(), Values: map[string]string{
		"displayName": to.GetDisplayName(), "organisation": organisation,
		"tasks": lines(work.GetTasks(), to, task), "runs": lines(work.GetFailedRuns(), to, run),
	}}
}

// lines are those that concern a person.
func lines(all []*runsv1.SummariseWorkResponse_Line, to *identityv1.ListAddresseesResponse_Addressee, text func(*runsv1.SummariseWorkResponse_Line) string) string {
	var own []string
	for _, l := range all {
		if slices.Contains(to.GetConcerns(), l.GetConcerns()) {
			own = append(own, "- "+shortened(text(l)))
		}
	}
	if n := len(own) - linesAtMost; n > 0 {
		own = append(own[:linesAtMost], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(own, "\n")
}

// shortened keeps a mail's value within what notify takes.
func shortened(text string) string {
	const most = 180
	if letters := []rune(strings.Join(strings.Fields(text), " ")); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return strings.Join(strings.Fields(text), " ")
}
