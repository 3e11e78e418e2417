// Package files keeps what people and runs upload: a row with size, hash and sniffed type, and a blob under the key
// organisation/id. Bytes travel by HTTP and signed links, never inside an RPC.
//
//	files.go          Service and its methods: CreateUpload -> PUT -> CompleteUpload, GetFile, ListFiles, DeleteFile
//	complete.go       what arrived against what was declared
//	link.go           links: presigned by S3, or ours to /files/blob
//	transfer.go       BlobHandler: serves our links, for PUT and GET with ranges
//	upload.go         UploadHandler: create, transfer and complete in one POST
//	byrun.go          for runs: a small text in one call; erasure of a person's files; whose files are whose
//	receive.go        bytes -> blob, hashed and bounded on the way; nothing is left of a transfer that fails
//	names.go          file names and types as people may have them
//	housekeeping.go   what was never completed, and blobs of deleted files
//	config.go         settings
//
// The first transfer to be completed wins; a link can't change a file that is ready.
package files
