package userbulk

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	files "github.com/microservicehub/mshub/activities/files"
	identity "github.com/microservicehub/mshub/activities/identity"
	notify "github.com/microservicehub/mshub/activities/notify"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	userbulkv1 "github.com/microservicehub/mshub/workflows/userbulk/v1"
)

const (
	day = 24 * time.Hour
	// confirmFrom is how many people need a second person's word.
	confirmFrom = 25
	// parallel batches would only wait for one another: changes of people in an organisation are made one by one. The mails
	// of a batch leave while the next one is applied.
	parallel = 2
)

// Process is the bulk change as the house knows it.
var Process = process.Definition{
	Name:                    "userbulk",
	Title:                   "Change many people",
	Description:             "Invites, disables or enables people, or gives or takes a role: those of a file or a filter. A dry run lists what would be done.",
	Input:                   &userbulkv1.Input{},
	Result:                  &userbulkv1.Result{},
	Permission:              "identity.write",
	Queue:                   process.QueueBatch,
	OrganisationConcurrency: 1,
	Keepable:                true,
	Steps: []process.Step{
		{Name: "plan", Title: "Find the people", Kind: process.Activity, Once: true, Timeout: 5 * time.Minute},
		{Name: "confirm", Title: "Confirm", Kind: process.Human, Optional: true},
		{Name: "apply", Title: "Change them", Kind: process.Many, Timeout: 5 * time.Minute},
		{Name: "finish", Title: "Sum up", Kind: process.Activity, Timeout: 5 * time.Minute},
		{Name: "list", Title: "Keep the list", Kind: process.Activity, Optional: true},
	},
	Settings: map[string]time.Duration{"confirm": 7 * day, "invitation": 14 * day},
	Workflow: Workflow,
}

// Verbs are named by the methods of nil pointers; the workers have the real ones.
var (
	people *identity.Activities
	mail   *notify.Activities
	store  *files.Activities
)

// linksWhenNeeded is the version of the story since which a link is made right before it is used, so that none expires while
// the run is paused, and titles begin as sentences do. Runs that began before go on as they began.
const linksWhenNeeded workflow.Version = 1

// Workflow is the story; see the package.
func Workflow(ctx workflow.Context, in *userbulkv1.Input) (*userbulkv1.Result, error) {
	version := workflow.GetVersion(ctx, "story", workflow.DefaultVersion, linksWhenNeeded)
	title := changeOf(in)
	if version >= linksWhenNeeded {
		title = strings.ToUpper(title[:1]) + title[1:]
	}
	if err := process.SetTitle(ctx, title); err != nil {
		return nil, err
	}
	plan, err := planned(ctx, in, version)
	if err != nil {
		return nil, err
	}
	confirmed, err := confirm(ctx, in, plan)
	if err != nil {
		return nil, err
	}
	batch := func(item int32) *identityv1.ApplyUserBulkRequest {
		return &identityv1.ApplyUserBulkRequest{Batch: item}
	}
	if err := process.EachThen(ctx, "apply", plan.GetBatches(), parallel, people.ApplyUserBulk, batch, send); err != nil {
		return nil, err
	}
	result, err := finish(ctx, version)
	if err != nil {
		return nil, err
	}
	result.ConfirmedBy = confirmed
	return result, nil
}

// changeOf says in words what is done: "invite member".
func changeOf(in *userbulkv1.Input) string {
	title := strings.ToLower(strings.ReplaceAll(in.GetAction().String(), "_", " "))
	if in.GetRole() != "" {
		title += " " + in.GetRole()
	}
	if in.GetDryRun() {
		title += " (dry run)"
	}
	return title
}

func planned(ctx workflow.Context, in *userbulkv1.Input, version workflow.Version) (*identityv1.PlanUserBulkResponse, error) {
	request := func(ctx workflow.Context) (*identityv1.PlanUserBulkRequest, error) {
		req := &identityv1.PlanUserBulkRequest{
			Action: in.GetAction(), Filter: in.GetFilter(), Role: in.GetRole(), Reason: in.GetReason(), DryRun: in.GetDryRun(),
			LifetimeSeconds: int64(process.Setting(ctx, "invitation").Seconds()),
		}
		if in.GetFile() == "" {
			return req, nil
		}
		source, err := process.Aside(ctx, "plan", "link", store.CreateDownload, &filesv1.CreateDownloadRequest{Name: in.GetFile()})
		req.SourceUrl = source.GetUrl()
		return req, err
	}
	if version < linksWhenNeeded {
		made, err := request(ctx)
		if err != nil {
			return nil, err
		}
		request = func(workflow.Context) (*identityv1.PlanUserBulkRequest, error) { return made, nil }
	}
	undo := func(workflow.Context, *identityv1.PlanUserBulkResponse) *identityv1.UndoUserBulkRequest {
		return &identityv1.UndoUserBulkRequest{}
	}
	return process.DoWith(ctx, "plan", people.PlanUserBulk, request, process.UndoBy(people.UndoUserBulk, undo))
}

// confirm asks somebody else if many people are meant. A dry run needs no word.
func confirm(ctx workflow.Context, in *userbulkv1.Input, plan *identityv1.PlanUserBulkResponse) (string, error) {
	if in.GetDryRun() || plan.GetPeople() < confirmFrom {
		return "", nil
	}
	task, err := process.Task(ctx, "confirm", process.TaskSpec{
		Title:       fmt.Sprintf("Confirm: %s, %d people", changeOf(in), plan.GetPeople()),
		Description: "So many people are changed only when a second person agrees. " + in.GetReason(),
		Assignee:    "roles/admin",
		FourEyes:    true,
		Due:         process.Setting(ctx, "confirm"),
		Context: map[string]string{
			"action": in.GetAction().String(), "role": in.GetRole(), "people": strconv.FormatInt(plan.GetPeople(), 10),
			"failedAlready": strconv.FormatInt(plan.GetFailed(), 10),
			"filter":        in.GetFilter(), "reason": in.GetReason(),
		},
		Files: given(in.GetFile()),
	})
	if err == nil && task.GetDecision() == runsv1.Task_REJECT {
		err = process.Fail("REJECTED", "%s", task.GetReason())
	}
	return task.GetDecidedBy(), err
}

func given(file string) []string {
	if file == "" {
		return nil
	}
	return []string{file}
}

// send mails the invitations of a batch. What no server takes is noted, and its invitation withdrawn.
func send(ctx workflow.Context, _ int32, done *identityv1.ApplyUserBulkResponse) error {
	if len(done.GetMails()) == 0 {
		return nil
	}
	organisation, err := process.Aside(ctx, "apply", "organisation", people.GetOrganisation, &identityv1.GetOrganisationRequest{Name: process.Organisation(ctx)})
	if err != nil {
		return err
	}
	letters := &notifyv1.SendMailsRequest{}
	for _, m := range done.GetMails() {
		letters.Mails = append(letters.Mails, &notifyv1.SendMailRequest{Template: "invitation", Recipient: m.GetEmail(), Values: map[string]string{
			"displayName": m.GetDisplayName(), "organisation": organisation.GetDisplayName(), "link": m.GetLink(),
		}})
	}
	sent, err := process.Aside(ctx, "apply", "mails", mail.SendMails, letters)
	if err != nil || len(sent.GetRefused()) == 0 {
		return err
	}
	note := &identityv1.NoteUserBulkMailsRequest{}
	for _, r := range sent.GetRefused() {
		note.Refused = append(note.Refused, &identityv1.NoteUserBulkMailsRequest_Refused{
			Line: done.GetMails()[r.GetIndex()].GetLine(), Reason: r.GetReason(), Message: r.GetMessage(),
		})
	}
	_, err = process.Aside(ctx, "apply", "note", people.NoteUserBulkMails, note)
	return err
}

// finish sums up. The place for the list must exist before it is known whether there is one.
func finish(ctx workflow.Context, version workflow.Version) (*userbulkv1.Result, error) {
	place := func(ctx workflow.Context) (*filesv1.CreateUploadResponse, error) {
		return process.Aside(ctx, "finish", "upload", store.CreateUpload, &filesv1.CreateUploadRequest{FileName: "people.csv", ContentType: "text/csv"})
	}
	upload, sum, err := summedUp(ctx, place, version)
	if err != nil {
		return nil, err
	}
	result := &userbulkv1.Result{People: sum.GetPeople(), Done: sum.GetDone(), Unchanged: sum.GetUnchanged(), Failed: sum.GetFailed()}
	if sum.GetListSize() == 0 {
		// An upload that nobody completes is deleted after a day anyway, so a failure here is none of the run's.
		_, _ = process.Aside(ctx, "list", "drop", store.DeleteFile, &filesv1.DeleteFileRequest{Name: upload.GetFile().GetName()})
		return result, nil
	}
	if upload == nil { // the run was reset to go on from the list: the same place again
		if upload, err = place(ctx); err != nil {
			return nil, err
		}
	}
	list, err := process.Do(ctx, "list", store.CompleteUpload, &filesv1.CompleteUploadRequest{
		Name: upload.GetFile().GetName(), Size: sum.GetListSize(), Sha256: sum.GetListSha256(),
	})
	if err != nil {
		// Everybody is changed already; undoing that for want of a list would help nobody.
		workflow.GetLogger(ctx).Warn("the list could not be kept", "error", err)
		return result, nil
	}
	result.List = list.GetName()
	return result, nil
}

// summedUp is the sum, and the place where the list was sent; nil if that happened before the run was reset.
func summedUp(
	ctx workflow.Context, place func(workflow.Context) (*filesv1.CreateUploadResponse, error), version workflow.Version,
) (upload *filesv1.CreateUploadResponse, sum *identityv1.FinishUserBulkResponse, err error) {
	if version < linksWhenNeeded {
		if upload, err = place(ctx); err != nil {
			return nil, nil, err
		}
		sum, err = process.Do(ctx, "finish", people.FinishUserBulk, &identityv1.FinishUserBulkRequest{ListUrl: upload.GetUrl()})
		return upload, sum, err
	}
	sum, err = process.DoWith(ctx, "finish", people.FinishUserBulk, func(ctx workflow.Context) (_ *identityv1.FinishUserBulkRequest, err error) {
		upload, err = place(ctx)
		return &identityv1.FinishUserBulkRequest{ListUrl: upload.GetUrl()}, err
	})
	return upload, sum, err
}
