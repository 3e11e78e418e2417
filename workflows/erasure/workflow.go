package erasure

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	audit "github.com/microservicehub/mshub/activities/audit"
	files "github.com/microservicehub/mshub/activities/files"
	identity "github.com/microservicehub/mshub/activities/identity"
	notify "github.com/microservicehub/mshub/activities/notify"
	records "github.com/microservicehub/mshub/activities/records"
	runs "github.com/microservicehub/mshub/activities/runs"
	auditv1 "github.com/microservicehub/mshub/services/audit/v1"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	erasurev1 "github.com/microservicehub/mshub/workflows/erasure/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

const (
	day = 24 * time.Hour
	// long is for steps that look through everything there is.
	long = 30 * time.Minute
	// nobody stands for an address that no account has.
	nobody = "users/00000000-0000-0000-0000-000000000000"
)

// Process is the erasure as the house knows it.
var Process = process.Definition{
	Name:        "erasure",
	Title:       "Erase a person",
	Description: "Collects what is known about a person, and after another administrator's approval erases or pseudonymises it everywhere. Ends with a certificate.",
	Input:       &erasurev1.Input{},
	Result:      &erasurev1.Result{},
	Permission:  "*", // administrators
	Key:         "user", KeyConcurrency: 1,
	OnFailure: process.Park,
	Steps: []process.Step{
		{Name: "person", Title: "Find the person", Kind: process.Activity},
		{Name: "collect", Title: "Collect what is known", Kind: process.Activity, Timeout: long},
		{Name: "approval", Title: "Approve", Kind: process.Human, Optional: true},
		{Name: "runs", Title: "Await and blank runs", Kind: process.Timer, Optional: true},
		{Name: "records", Title: "Pseudonymise records", Kind: process.Activity, Optional: true, Timeout: long},
		{Name: "files", Title: "Delete files", Kind: process.Activity, Optional: true, Timeout: long},
		{Name: "messages", Title: "Forget mails", Kind: process.Activity, Optional: true, Timeout: long},
		{Name: "account", Title: "Delete the account", Kind: process.Activity, Optional: true},
		{Name: "audit", Title: "Delete details of the audit", Kind: process.Activity, Optional: true, Timeout: long},
		{Name: "verify", Title: "See that nothing is left", Kind: process.Activity, Optional: true, Timeout: long},
		{Name: "certificate", Title: "Write the certificate", Kind: process.Activity, Optional: true},
	},
	Settings: map[string]time.Duration{"approval": 14 * day, "approval-reminder": 3 * day, "open-runs": 30 * day, "open-runs-look": time.Hour},
	Workflow: Workflow,
}

// Verbs are named by the methods of nil pointers; the workers have the real ones.
var (
	people    *identity.Activities
	processes *runs.Activities
	documents *records.Activities
	store     *files.Activities
	mail      *notify.Activities
	trail     *audit.Activities
)

// subject is whom it is about.
type subject struct {
	// user is nobody if the address has no account here.
	user, email, emailSHA256 string
}

// Workflow is the story; see the package.
func Workflow(ctx workflow.Context, in *erasurev1.Input) (*erasurev1.Result, error) {
	who, counts, err := find(ctx, in.GetUser())
	if err != nil {
		return nil, err
	}
	if err := process.SetTitle(ctx, cmp.Or(titleOf(who), "an address without account")); err != nil {
		return nil, err
	}
	if err := collect(ctx, "collect", who, counts); err != nil {
		return nil, err
	}
	result := &erasurev1.Result{User: titleOf(who), Counts: counts}
	if in.GetDryRun() {
		return result, nil
	}
	task, form, err := approve(ctx, in, who, counts)
	if err != nil {
		return nil, err
	}
	result.DecidedBy = task.GetDecidedBy()
	if err := erase(ctx, who, form); err != nil {
		return nil, err
	}
	if result.Left, err = left(ctx, who); err != nil {
		return nil, err
	}
	certificate, err := certify(ctx, who, form, result)
	if err != nil {
		return nil, err
	}
	result.Certificate, result.CertificateSha256 = certificate.GetName(), certificate.GetSha256()
	return result, nil
}

// titleOf is what may stand in lists: a name that is nobody's any more, never an address.
func titleOf(who subject) string {
	if who.user == nobody {
		return ""
	}
	return who.user
}

func find(ctx workflow.Context, person string) (subject, *erasurev1.Counts, error) {
	found, err := process.Do(ctx, "person", people.ErasePerson, &identityv1.ErasePersonRequest{Person: person, DryRun: true})
	if err != nil {
		return subject{}, nil, err
	}
	if found.GetEmail() == "" {
		return subject{}, nil, process.FailStep(ctx, "person", "NOT_FOUND", "this organisation knows nobody by that name")
	}
	who := subject{user: cmp.Or(found.GetUser(), nobody), email: found.GetEmail(), emailSHA256: found.GetEmailSha256()}
	return who, &erasurev1.Counts{
		Memberships: found.GetMemberships(), Invitations: found.GetInvitations(), BulkLines: found.GetBulkLines(), Account: found.GetAccount(),
	}, nil
}

// collect asks every service what it holds.
func collect(ctx workflow.Context, step string, who subject, c *erasurev1.Counts) error {
	inRecords, err := process.Aside(ctx, step, "records", documents.EraseRecords, &recordsv1.EraseRecordsRequest{Email: who.email, DryRun: true})
	if err != nil {
		return err
	}
	inFiles, err := process.Aside(ctx, step, "files", store.EraseFiles, &filesv1.EraseFilesRequest{User: who.user, DryRun: true})
	if err != nil {
		return err
	}
	inMails, err := process.Aside(ctx, step, "messages", mail.EraseMessages, &notifyv1.EraseMessagesRequest{Email: who.email, DryRun: true})
	if err != nil {
		return err
	}
	inAudit, err := process.Aside(ctx, step, "audit", trail.EraseDetails, &auditv1.EraseDetailsRequest{User: who.user, Email: who.email, DryRun: true})
	if err != nil {
		return err
	}
	inRuns, err := process.Do(ctx, step, processes.EraseSubject, &runsv1.EraseSubjectRequest{User: who.user, Email: who.email, DryRun: true})
	if err != nil {
		return err
	}
	c.Records, c.Files, c.Messages, c.AuditEntries = inRecords.GetRecords(), inFiles.GetFiles(), inMails.GetMessages(), inAudit.GetEntries()
	c.Runs, c.Tasks = inRuns.GetRuns(), inRuns.GetTasks()
	return nil
}

// approve asks another administrator; neither who started the run nor the person may decide. What stands in the task stays
// there, so it holds no personal data.
func approve(ctx workflow.Context, in *erasurev1.Input, who subject, c *erasurev1.Counts) (*runsv1.Task, *erasurev1.Approval, error) {
	form := &erasurev1.Approval{}
	task, err := process.Task(ctx, "approval", process.TaskSpec{
		Title:        "Erase " + cmp.Or(titleOf(who), "an address without account"),
		Description:  "What is erased can't come back. Reason given: " + withoutAddress(in.GetReason(), who.email),
		Assignee:     "roles/admin",
		FourEyes:     true,
		Excluded:     []string{who.user},
		Form:         form,
		ApproveLabel: "Erase", RejectLabel: "Do not erase",
		Due:     process.Setting(ctx, "approval"),
		Context: contextOf(titleOf(who), c),
	})
	if err == nil && task.GetDecision() == runsv1.Task_REJECT {
		err = process.Fail("REJECTED", "%s", task.GetReason())
	}
	if err == nil {
		err = process.Form(task, form)
	}
	return task, form, err
}

// withoutAddress takes the address off a text, wherever and however it is written.
func withoutAddress(text, email string) string {
	if email == "" {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		if len(text) >= len(email) && strings.EqualFold(text[:len(email)], email) {
			out.WriteString("…")
			text = text[len(email):]
			continue
		}
		out.WriteByte(text[0])
		text = text[1:]
	}
	return out.String()
}

func contextOf(user string, c *erasurev1.Counts) map[string]string {
	facts := map[string]string{"account": strconv.FormatBool(c.GetAccount())}
	if user != "" {
		facts["user"] = user
	}
	for name, n := range map[string]int64{
		"runs": c.GetRuns(), "tasks": c.GetTasks(), "records": c.GetRecords(), "files": c.GetFiles(), "messages": c.GetMessages(),
		"auditEntries": c.GetAuditEntries(), "memberships": c.GetMemberships(), "invitations": c.GetInvitations(), "bulkLines": c.GetBulkLines(),
	} {
		facts[name] = strconv.FormatInt(n, 10)
	}
	return facts
}

// erase goes through the services. The account goes when nobody needs its name any more, the audit's details last.
func erase(ctx workflow.Context, who subject, form *erasurev1.Approval) error {
	if err := eraseRuns(ctx, who); err != nil {
		return err
	}
	if _, err := process.Do(ctx, "records", documents.EraseRecords, &recordsv1.EraseRecordsRequest{Email: who.email}); err != nil {
		return err
	}
	if _, err := process.Do(ctx, "files", store.EraseFiles, &filesv1.EraseFilesRequest{User: who.user, Keep: form.GetKeepFiles()}); err != nil {
		return err
	}
	if _, err := process.Do(ctx, "messages", mail.EraseMessages, &notifyv1.EraseMessagesRequest{Email: who.email}); err != nil {
		return err
	}
	if _, err := process.Do(ctx, "account", people.ErasePerson, &identityv1.ErasePersonRequest{Person: who.person()}); err != nil {
		return err
	}
	_, err := process.Do(ctx, "audit", trail.EraseDetails, &auditv1.EraseDetailsRequest{User: who.user, Email: who.email})
	return err
}

// person is what identity knows the subject by.
func (s subject) person() string {
	if s.user == nobody {
		return s.email
	}
	return s.user
}

// eraseRuns blanks the runs about the person that have ended, and looks again while some are open. People are not cut off:
// who wants it faster cancels those runs.
func eraseRuns(ctx workflow.Context, who subject) error {
	own := "runs/" + workflow.GetInfo(ctx).WorkflowExecution.ID
	return process.Poll(ctx, "runs", process.Setting(ctx, "open-runs-look"), process.Wait{
		Timeout: process.Setting(ctx, "open-runs"), Late: "runs about the person are still open; end them and start the erasure anew",
	}, func(ctx workflow.Context) (bool, error) {
		found, err := process.Aside(ctx, "runs", "blank", processes.EraseSubject, &runsv1.EraseSubjectRequest{User: who.user, Email: who.email})
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(found.GetOpenRuns(), func(run string) bool { return run != own }), nil
	})
}

// left looks once more: a certificate says what is, not what was meant.
func left(ctx workflow.Context, who subject) (*erasurev1.Counts, error) {
	found, err := process.Aside(ctx, "verify", "person", people.ErasePerson, &identityv1.ErasePersonRequest{Person: who.person(), DryRun: true})
	if err != nil {
		return nil, err
	}
	c := &erasurev1.Counts{Memberships: found.GetMemberships(), Invitations: found.GetInvitations(), BulkLines: found.GetBulkLines(), Account: found.GetAccount()}
	return c, collect(ctx, "verify", who, c)
}
