// Package files is how a workflow reaches services/files: verb -> client call.
package files

import (
	"context"

	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	"github.com/microservicehub/mshub/services/files/v1/filesv1connect"
)

// Activities are registered on the workers; their names are the verbs.
type Activities struct {
	client filesv1connect.FilesServiceClient
}

// New makes the activities over a client that carries the run's identity and idempotency key.
func New(client filesv1connect.FilesServiceClient) *Activities { return &Activities{client} }

// GetFile returns a file's name, size, hash and type.
func (a *Activities) GetFile(ctx context.Context, in *filesv1.GetFileRequest) (*filesv1.File, error) {
	return a.client.GetFile(ctx, in)
}

// CreateUpload makes a file that waits for its bytes, and the link for them.
func (a *Activities) CreateUpload(ctx context.Context, in *filesv1.CreateUploadRequest) (*filesv1.CreateUploadResponse, error) {
	return a.client.CreateUpload(ctx, in)
}

// CompleteUpload makes a file ready whose bytes have arrived.
func (a *Activities) CompleteUpload(ctx context.Context, in *filesv1.CompleteUploadRequest) (*filesv1.File, error) {
	return a.client.CompleteUpload(ctx, in)
}

// CreateDownload makes a link to a file's bytes.
func (a *Activities) CreateDownload(ctx context.Context, in *filesv1.CreateDownloadRequest) (*filesv1.CreateDownloadResponse, error) {
	return a.client.CreateDownload(ctx, in)
}

// DeleteFile removes a file.
func (a *Activities) DeleteFile(ctx context.Context, in *filesv1.DeleteFileRequest) (*filesv1.DeleteFileResponse, error) {
	return a.client.DeleteFile(ctx, in)
}

// WriteFile keeps a small text as a file.
func (a *Activities) WriteFile(ctx context.Context, in *filesv1.WriteFileRequest) (*filesv1.File, error) {
	return a.client.WriteFile(ctx, in)
}

// EraseFiles counts or removes the files that a person uploaded.
func (a *Activities) EraseFiles(ctx context.Context, in *filesv1.EraseFilesRequest) (*filesv1.EraseFilesResponse, error) {
	return a.client.EraseFiles(ctx, in)
}
