package identity

import (
	"context"
	"errors"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
)

// roleAdmin is the role that every organisation always has an active holder of.
const roleAdmin = "admin"

// roleNewcomer is what somebody has who is being brought in and has to do something first: decide the own tasks and upload
// files for them. It reaches nothing of anybody else, so whoever may ask people in may give it.
const roleNewcomer = "newcomer"

// builtin roles are created with each organisation and can't be changed.
var builtin = []store.InsertRoleParams{
	{Slug: roleAdmin, Title: "Administrator", Permissions: []string{"*"}},
	{Slug: "operator", Title: "Operator", Permissions: []string{"audit.read", "files.*", "identity.read", "notify.read", "records.*", "runs.*", "tasks.*"}},
	{Slug: "approver", Title: "Approver", Permissions: []string{"files.read", "runs.read", "tasks.*"}},
	{Slug: "member", Title: "Member", Permissions: []string{"files.*", "records.*", "runs.read", "runs.write", "tasks.read"}},
	{Slug: roleNewcomer, Title: "Newcomer", Permissions: []string{"files.write", "tasks.decide", "tasks.read"}},
	{Slug: "viewer", Title: "Viewer", Permissions: []string{"files.read", "records.read", "runs.read", "tasks.read"}},
}

// adminStays refuses a change after which nobody could administer the organisation. Under the organisation's lock.
func (s *Service) adminStays(ctx context.Context, tx pgx.Tx, without uuid.UUID) error {
	others, err := s.q.OtherAdministrators(ctx, tx, without)
	if err != nil {
		return err
	}
	if others == 0 {
		return rpc.Precondition("LAST_ADMINISTRATOR", "this is the last active administrator; give somebody else the role admin first")
	}
	return nil
}

// onlyHere refuses a change of the account itself when another organisation knows the person too: it would reach over
// the wall.
func (s *Service) onlyHere(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	elsewhere, err := s.q.BelongsElsewhere(ctx, tx, user)
	if err != nil {
		return err
	}
	if elsewhere {
		return rpc.Precondition("MEMBER_ELSEWHERE", "this person belongs to another organisation too; remove the membership here instead")
	}
	return nil
}

// rolesNamed returns the slugs, sorted and each once, if all exist and the caller may give them.
func (s *Service) rolesNamed(ctx context.Context, tx pgx.Tx, field string, names []string) ([]string, error) {
	slugs := make([]string, 0, len(names))
	for _, name := range names {
		slugs = append(slugs, roleSlug(name))
	}
	slices.Sort(slugs)
	slugs = slices.Compact(slugs)
	roles, err := s.q.RolesNamed(ctx, tx, slugs)
	if err != nil {
		return nil, err
	}
	var permissions []string
	for _, slug := range slugs {
		i := slices.IndexFunc(roles, func(r store.Role) bool { return r.Slug == slug })
		if i < 0 {
			return nil, rpc.Invalid(field, "there is no role %q in this organisation", slug)
		}
		if slug != roleNewcomer || !roles[i].Builtin {
			permissions = append(permissions, roles[i].Permissions...)
		}
	}
	caller := auth.From(ctx)
	if !strings.HasPrefix(caller.Actor, "users/") {
		return slugs, machineMayGive(caller, permissions)
	}
	return slugs, s.mayGive(ctx, tx, permissions)
}

// administrative permissions let their holder get all others.
var administrative = []string{"*", "identity.*", "identity.write", "clients.*", "clients.write"}

// machineMayGive: a machine has no roles of its own, so a client that may write identities, or a run that a client or a
// fact started, gives any role that people made but an administrative one; that one only a client that has as much.
func machineMayGive(caller auth.Caller, permissions []string) error {
	for _, p := range permissions {
		if !slices.Contains(administrative, p) || caller.Has(p) {
			continue
		}
		if caller.Kind == auth.Run {
			return rpc.Denied("MORE_THAN_YOURS", "a run that no person started can't give the permission %q; a person who has it must start it", p)
		}
		return rpc.Denied("MORE_THAN_YOURS", "this client can't give the permission %q because it doesn't have it; let a person give it, or grant the client the scope admin", p)
	}
	return nil
}

// mayGive: nobody gives more than they have. A person's own roles count, not what the token was cut down to; for a run
// those of the person who started it, as they are now. A client has the permissions of its token.
func (s *Service) mayGive(ctx context.Context, tx pgx.Tx, permissions []string) error {
	caller := auth.From(ctx)
	own := caller.Permissions
	if caller.Kind != auth.Client {
		person, err := userID(caller.Actor)
		if err != nil {
			return err
		}
		if own, err = s.q.PermissionsOf(ctx, tx, person); err != nil {
			return err
		}
	}
	for _, p := range permissions {
		if (auth.Caller{Permissions: own}).Has(p) {
			continue
		}
		if caller.Kind == auth.Run {
			return rpc.Denied("MORE_THAN_YOURS", "this run can't give the permission %q because the person who started it doesn't have it", p)
		}
		return rpc.Denied("MORE_THAN_YOURS", "you can't give the permission %q because you don't have it yourself", p)
	}
	return nil
}

// valid checks a message that was put together from a stored one and an update mask; paths begin with field.
func valid(field string, message proto.Message) error {
	err := protovalidate.Validate(message)
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	var violations []rpc.Violation
	for _, v := range invalid.Violations {
		violations = append(violations, rpc.Violation{
			Field:       field + "." + protovalidate.FieldPathString(v.Proto.GetField()),
			Description: v.Proto.GetMessage(),
		})
	}
	return rpc.InvalidFields(violations...)
}

// maskPaths returns what an update is about: the paths of the mask, which must be among those that can be changed, or
// without a mask all of these that are set.
func maskPaths(mask []string, set map[string]bool) ([]string, error) {
	var paths []string
	if len(mask) == 0 {
		for path, isSet := range set {
			if isSet {
				paths = append(paths, path)
			}
		}
		slices.Sort(paths)
		return paths, nil
	}
	for _, path := range mask {
		if path == "*" {
			for p := range set {
				paths = append(paths, p)
			}
			continue
		}
		if _, ok := set[path]; !ok {
			can := make([]string, 0, len(set))
			for p := range set {
				can = append(can, p)
			}
			slices.Sort(can)
			return nil, rpc.Invalid("updateMask", "%q can't be changed; use %s", path, strings.Join(can, ", "))
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}
