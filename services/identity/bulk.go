package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// bulkBatch people are one call and one transaction; their mails are one call of notify.
const bulkBatch = 100

// Actions, outcomes of lines and states of a bulk change as they are kept.
const (
	actionInvite     = "INVITE"
	actionDisable    = "DISABLE"
	actionEnable     = "ENABLE"
	actionAddRole    = "ADD_ROLE"
	actionRemoveRole = "REMOVE_ROLE"

	outcomePlanned   = "PLANNED"
	outcomeDone      = "DONE"
	outcomeUnchanged = "UNCHANGED"
	outcomeFailed    = "FAILED"
	outcomeUndone    = "UNDONE"
	outcomeKept      = "KEPT"

	bulkPlanned  = "PLANNED"
	bulkFinished = "FINISHED"
	bulkUndone   = "UNDONE"
)

// PlanUserBulk keeps the people whom a file or a filter names. A fault of the whole (a file that can't be read, a role
// that the starter may not give) is an error; a fault of a line is kept as its failure. A repeated call gives the same plan.
func (s *Service) PlanUserBulk(ctx context.Context, req *identityv1.PlanUserBulkRequest) (*identityv1.PlanUserBulkResponse, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	var planned *identityv1.PlanUserBulkResponse
	err = s.read(ctx, func(tx pgx.Tx) (err error) {
		planned, err = s.plannedBulk(ctx, tx, run)
		return err
	})
	if err != nil || planned != nil {
		return planned, err
	}
	var people []named
	if req.GetSourceUrl() != "" {
		if people, err = s.readPeople(ctx, req.GetSourceUrl()); err != nil {
			return nil, err
		}
	}
	err = s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		if _, err := s.q.LockActiveOrganisation(ctx, tx); err != nil {
			return err
		}
		if planned, err = s.plannedBulk(ctx, tx, run); err != nil || planned != nil {
			return err
		}
		if err := s.mayWritePeople(ctx, tx); err != nil {
			return err
		}
		if req.GetRole() != "" {
			if _, err := s.rolesNamed(ctx, tx, "role", []string{req.GetRole()}); err != nil {
				return err
			}
		}
		lines, err := s.bulkLines(ctx, tx, req, people)
		if err != nil {
			return err
		}
		if err := s.insertBulk(ctx, tx, run, req, lines); err != nil {
			return err
		}
		planned, err = s.plannedBulk(ctx, tx, run)
		return err
	})
	if err != nil {
		return nil, err
	}
	return planned, nil
}

// plannedBulk is the answer of a plan that is there; nil if there is none.
func (s *Service) plannedBulk(ctx context.Context, tx pgx.Tx, run uuid.UUID) (*identityv1.PlanUserBulkResponse, error) {
	bulk, err := s.q.Bulk(ctx, tx, run)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	unplannable, err := s.q.BulkLines(ctx, tx, store.BulkLinesParams{Run: run, Outcomes: []string{outcomeFailed}, Most: maxBulkLines})
	if err != nil {
		return nil, err
	}
	failed := int64(0)
	for _, l := range unplannable {
		if l.Batch == 0 {
			failed++
		}
	}
	return &identityv1.PlanUserBulkResponse{
		Batches: bulk.Batches, People: bulk.People, Failed: failed,
		Progress: &eventsv1.Progress{Total: bulk.People - failed, Unit: "people"},
	}, nil
}

// bulkLines makes the lines of a plan, in order.
func (s *Service) bulkLines(ctx context.Context, tx pgx.Tx, req *identityv1.PlanUserBulkRequest, people []named) ([]store.BulkLine, error) {
	if people == nil {
		return s.filteredLines(ctx, tx, req)
	}
	emails := make([]string, len(people))
	for i, p := range people {
		emails[i] = normalise(p.email)
	}
	members, err := s.q.MembersByEmail(ctx, tx, emails)
	if err != nil {
		return nil, err
	}
	known := map[string]uuid.UUID{}
	for _, m := range members {
		known[m.EmailNorm] = m.ID
	}
	first := map[string]int64{}
	lines := make([]store.BulkLine, len(people))
	for i, p := range people {
		l := store.BulkLine{Line: p.line, Email: p.email, DisplayName: p.displayName, Role: roleSlug(p.role), Outcome: outcomePlanned}
		if id, ok := known[emails[i]]; ok {
			l.UserID = &id
		}
		if before, twice := first[emails[i]]; twice {
			refuse(&l, rpc.Precondition("TWICE", "line %d names the same address", before))
		} else {
			first[emails[i]] = p.line
			s.checkLine(ctx, req, &l)
		}
		lines[i] = l
	}
	return lines, nil
}

// checkLine finds what can't be right, whatever is done.
func (s *Service) checkLine(ctx context.Context, req *identityv1.PlanUserBulkRequest, l *store.BulkLine) {
	email, err := checkEmail("email", l.Email)
	if err != nil {
		refuse(l, err)
		return
	}
	l.Email = email
	if req.GetAction() != identityv1.UserBulk_INVITE {
		l.Role = roleSlug(req.GetRole())
		if l.UserID == nil {
			refuse(l, rpc.NotFound("member", email))
		} else if oneself(ctx, *l.UserID) {
			refuse(l, rpc.Precondition("ONESELF", "who started the run is never part of it"))
		}
		return
	}
	if l.DisplayName == "" {
		l.DisplayName, _, _ = strings.Cut(email, "@")
	}
	if l.DisplayName, err = checkDisplayName("displayName", l.DisplayName); err != nil {
		refuse(l, err)
		return
	}
	if l.Role == "" {
		l.Role = roleSlug(req.GetRole())
	}
	if l.Role == "" {
		refuse(l, rpc.Invalid("role", "is named neither here nor for all"))
		return
	}
	// What a mail can't be addressed to is found now, by the rules that a single invitation has.
	if err := rpc.Valid("", &identityv1.InviteUserRequest{Email: email, DisplayName: l.DisplayName, Role: l.Role}); err != nil {
		refuse(l, err)
	}
}

// filteredLines are the members whom a filter names.
func (s *Service) filteredLines(ctx context.Context, tx pgx.Tx, req *identityv1.PlanUserBulkRequest) ([]store.BulkLine, error) {
	if req.GetAction() == identityv1.UserBulk_INVITE || req.GetFilter() == "" {
		return nil, rpc.Invalid("file", "is needed: people who are invited come from a file, others from a file or a filter")
	}
	expr, err := filter.Parse(req.GetFilter())
	if err != nil {
		return nil, err
	}
	listing := store.Listing{Limit: maxBulkLines + 1, Order: orderColumns["email"].SQL, Type: "text"}
	if listing.Where, listing.Args, err = filter.SQL(expr, filterColumns, 1); err != nil {
		return nil, err
	}
	rows, err := store.ListUsers(ctx, tx, listing)
	if err != nil {
		return nil, err
	}
	switch {
	case len(rows) > maxBulkLines:
		return nil, rpc.Invalid("filter", "names more than %d people; narrow it", maxBulkLines)
	case len(rows) == 0:
		return nil, rpc.Precondition("NOBODY", "the filter names nobody")
	}
	lines := make([]store.BulkLine, len(rows))
	for i, row := range rows {
		lines[i] = store.BulkLine{Line: int64(i + 1), UserID: &row.ID, Email: row.Email, DisplayName: row.DisplayName, Outcome: outcomePlanned}
		s.checkLine(ctx, req, &lines[i])
	}
	return lines, nil
}

func (s *Service) insertBulk(ctx context.Context, tx pgx.Tx, run uuid.UUID, req *identityv1.PlanUserBulkRequest, lines []store.BulkLine) error {
	p := store.InsertBulkLinesParams{Run: run}
	tried := int32(0)
	for _, l := range lines {
		batch, user := int32(0), uuid.Nil
		if l.Outcome == outcomePlanned {
			batch = tried/bulkBatch + 1
			tried++
		}
		if l.UserID != nil {
			user = *l.UserID
		}
		p.Lines, p.Batches, p.Users = append(p.Lines, l.Line), append(p.Batches, batch), append(p.Users, user)
		p.Emails, p.DisplayNames, p.Roles = append(p.Emails, l.Email), append(p.DisplayNames, l.DisplayName), append(p.Roles, l.Role)
		p.Outcomes, p.Reasons, p.Messages = append(p.Outcomes, l.Outcome), append(p.Reasons, l.Reason), append(p.Messages, l.Message)
	}
	lifetime := req.GetLifetimeSeconds()
	if lifetime == 0 {
		lifetime = int64(s.config.InvitationLifetime / time.Second)
	}
	err := s.q.InsertBulk(ctx, tx, store.InsertBulkParams{
		Run: run, Action: req.GetAction().String(), Role: roleSlug(req.GetRole()), Reason: req.GetReason(), DryRun: req.GetDryRun(), Lifetime: lifetime,
		Batches: (tried + bulkBatch - 1) / bulkBatch, People: int64(len(lines)), CreatedAt: s.now(),
	})
	if err != nil {
		return err
	}
	return s.q.InsertBulkLines(ctx, tx, p)
}

// NoteUserBulkMails notes invitations whose mail no server took, and withdraws them.
func (s *Service) NoteUserBulkMails(ctx context.Context, req *identityv1.NoteUserBulkMailsRequest) (*identityv1.NoteUserBulkMailsResponse, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	res := &identityv1.NoteUserBulkMailsResponse{}
	err = s.change(ctx, identityv1connect.IdentityServiceNoteUserBulkMailsProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		for _, r := range req.GetRefused() {
			invitation, err := s.q.RefuseBulkLine(ctx, tx, store.RefuseBulkLineParams{Run: run, Line: r.GetLine(), Reason: r.GetReason(), Message: r.GetMessage()})
			if errors.Is(err, pgx.ErrNoRows) {
				continue
			}
			if err == nil && invitation != nil {
				err = s.takeBack(ctx, tx, *invitation)
			}
			if err != nil && rpc.ReasonOf(err) == "" {
				return nil, err
			}
		}
		return &changed{target: "runs/" + run.String(), after: map[string]any{"refused": len(req.GetRefused())}}, nil
	})
	return res, err
}

// callingRun is the run that a bulk change belongs to.
func callingRun(ctx context.Context) (uuid.UUID, error) {
	run := auth.From(ctx).Run
	if run == uuid.Nil {
		return run, rpc.Denied("NOT_A_RUN", "a bulk change belongs to a run")
	}
	return run, nil
}

// oneself is true if the user started the calling run.
func oneself(ctx context.Context, user uuid.UUID) bool { return auth.From(ctx).Actor == userName(user) }

// mayWritePeople: a person who started the run must still be one who may change people. What a client or a fact may was
// checked when it started the run.
func (s *Service) mayWritePeople(ctx context.Context, tx pgx.Tx) error {
	return s.starterHas(ctx, tx, "identity.write")
}

func (s *Service) starterHas(ctx context.Context, tx pgx.Tx, permission string) error {
	actor := auth.From(ctx).Actor
	if !strings.HasPrefix(actor, "users/") {
		return nil
	}
	person, err := userID(actor)
	if err != nil {
		return err
	}
	own, err := s.q.PermissionsOf(ctx, tx, person)
	if err != nil {
		return err
	}
	if !(auth.Caller{Permissions: own}).Has(permission) {
		return rpc.Denied("MORE_THAN_YOURS", "the person who started this run has not (or no more) the permission %q", permission)
	}
	return nil
}

// refuse keeps an error as a line's failure.
func refuse(l *store.BulkLine, err error) {
	l.Outcome, l.Reason, l.Message = outcomeFailed, rpc.ReasonOf(err), rpc.Message(err)
}

// counted sums up lines by their outcome.
func counted(rows []store.CountBulkRow, outcomes ...string) (n int64) {
	for _, row := range rows {
		if slices.Contains(outcomes, row.Outcome) {
			n += row.Lines
		}
	}
	return n
}
