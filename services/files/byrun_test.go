package files

import (
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
)

func TestATextOfARun(t *testing.T) {
	t.Parallel()
	r := setup(t)
	ctx := run(t.Context(), uuid.New())
	req := &filesv1.WriteFileRequest{FileName: "certificate.json", Content: []byte(`{"erased":true}`)}
	first, err := r.WriteFile(ctx, req)
	if err != nil || first.GetState() != filesv1.File_READY || first.GetSize() != 15 || first.GetContentType() != "application/json" {
		t.Fatalf("%v, %v", first, err)
	}
	again, err := r.WriteFile(ctx, req)
	if err != nil || again.GetName() != first.GetName() {
		t.Errorf("%v, %v", again, err)
	}
	if blobs, rows := r.left(t); len(blobs) != 1 || rows != 1 {
		t.Errorf("left: %v, %d rows", blobs, rows)
	}
}

func TestFilesOfSomebodyWhoIsErased(t *testing.T) {
	t.Parallel()
	r := setup(t)
	organisation := auth.From(r.ctx).Organisation
	put := func(creator string) *filesv1.File {
		caller := auth.From(r.ctx)
		caller.Kind, caller.Actor = auth.Run, creator // a run may write without a link
		row := rpc.WithIdempotencyKey(auth.With(r.ctx, caller), uuid.NewString())
		file, err := r.WriteFile(row, &filesv1.WriteFileRequest{FileName: "a.txt", Content: []byte("abc")})
		if err != nil {
			t.Fatal(err)
		}
		err = r.db.Tx(r.ctx, organisation, func(tx pgx.Tx) error {
			_, err := tx.Exec(r.ctx, "UPDATE files.file SET creator = $1 WHERE organisation_id = $2 AND 'files/' || id = $3", creator, organisation, file.GetName())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	bob, eve := "users/"+uuid.NewString(), "users/"+uuid.NewString()
	mine, other := put(bob), put(eve)
	erase := func(req *filesv1.EraseFilesRequest) int64 {
		res, err := r.EraseFiles(run(t.Context(), organisation), req)
		if err != nil {
			t.Fatal(err)
		}
		return res.GetFiles()
	}
	if n := erase(&filesv1.EraseFilesRequest{User: bob, DryRun: true}); n != 1 {
		t.Errorf("a dry run: %d", n)
	}
	if n := erase(&filesv1.EraseFilesRequest{User: bob}); n != 1 {
		t.Errorf("%d", n)
	}
	if _, err := r.GetFile(r.ctx, &filesv1.GetFileRequest{Name: mine.GetName()}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("still there: %v", err)
	}
	if n := erase(&filesv1.EraseFilesRequest{User: eve, Keep: true}); n != 1 {
		t.Errorf("%d", n)
	}
	if got, err := r.GetFile(r.ctx, &filesv1.GetFileRequest{Name: other.GetName()}); err != nil || got.GetCreator() != "erased" {
		t.Errorf("%v, %v", got, err)
	}
	if blobs, rows := r.left(t); len(blobs) != 1 || rows != 1 {
		t.Errorf("left: %v, %d rows", blobs, rows)
	}
}

func TestWhoMayNotReadHasOnlyOwnFiles(t *testing.T) {
	t.Parallel()
	r := setup(t)
	organisation := auth.From(r.ctx).Organisation
	file, err := r.WriteFile(run(t.Context(), organisation), &filesv1.WriteFileRequest{FileName: "a.txt", Content: []byte("abc")})
	if err != nil {
		t.Fatal(err)
	}
	newcomer := auth.With(t.Context(), auth.Caller{Kind: auth.User, Organisation: organisation, Actor: "users/" + uuid.NewString(), Permissions: []string{"files.write"}})
	if _, err := r.DeleteFile(newcomer, &filesv1.DeleteFileRequest{Name: file.GetName()}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("deleted another's file: %v", err)
	}
	if _, err := r.CompleteUpload(newcomer, &filesv1.CompleteUploadRequest{Name: file.GetName()}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("completed another's file: %v", err)
	}
	own, err := r.CreateUpload(newcomer, &filesv1.CreateUploadRequest{FileName: "b.txt", Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.DeleteFile(newcomer, &filesv1.DeleteFileRequest{Name: own.GetFile().GetName()}); err != nil {
		t.Error(err)
	}
}
