package erasure

import (
	"encoding/json"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	erasurev1 "github.com/microservicehub/mshub/workflows/erasure/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// certificate is what is kept to show that the erasure was done: no personal data, but who knows the address can check that
// it is the one (SHA-256 of it in lower case).
type certificate struct {
	Certificate  string    `json:"certificate"`
	Organisation string    `json:"organisation"`
	Run          string    `json:"run"`
	User         string    `json:"user,omitempty"`
	EmailSHA256  string    `json:"emailSha256"`
	ApprovedBy   string    `json:"approvedBy"`
	EndTime      time.Time `json:"endTime"`
	FilesKept    bool      `json:"filesKept"`
	// Before and after the erasure.
	Found known `json:"found"`
	Left  known `json:"left"`
}

type known struct {
	Runs         int64 `json:"runs"`
	Tasks        int64 `json:"tasks"`
	Records      int64 `json:"records"`
	Files        int64 `json:"files"`
	Messages     int64 `json:"messages"`
	AuditEntries int64 `json:"auditEntries"`
	Memberships  int64 `json:"memberships"`
	Invitations  int64 `json:"invitations"`
	BulkLines    int64 `json:"bulkLines"`
	Account      bool  `json:"account"`
}

// certify keeps the certificate as a file; its SHA-256 is the file's.
func certify(ctx workflow.Context, who subject, form *erasurev1.Approval, r *erasurev1.Result) (*filesv1.File, error) {
	id := workflow.GetInfo(ctx).WorkflowExecution.ID
	text, err := json.MarshalIndent(certificate{
		Certificate: "erasure", Organisation: process.Organisation(ctx), Run: "runs/" + id, User: titleOf(who), EmailSHA256: who.emailSHA256,
		ApprovedBy: r.GetDecidedBy(), EndTime: workflow.Now(ctx).UTC().Truncate(time.Second), FilesKept: form.GetKeepFiles(),
		Found: knownOf(r.GetCounts()), Left: knownOf(r.GetLeft()),
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	short, _, _ := strings.Cut(id, "-")
	return process.Do(ctx, "certificate", store.WriteFile, &filesv1.WriteFileRequest{FileName: "erasure-" + short + ".json", Content: append(text, '\n')})
}

func knownOf(c *erasurev1.Counts) known {
	return known{
		Runs: c.GetRuns(), Tasks: c.GetTasks(), Records: c.GetRecords(), Files: c.GetFiles(), Messages: c.GetMessages(), AuditEntries: c.GetAuditEntries(),
		Memberships: c.GetMemberships(), Invitations: c.GetInvitations(), BulkLines: c.GetBulkLines(), Account: c.GetAccount(),
	}
}
