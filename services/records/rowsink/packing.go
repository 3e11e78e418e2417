package rowsink

import (
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func (p Packing) extension() string {
	switch p {
	case Gzip:
		return ".gz"
	case Zstd:
		return ".zst"
	}
	return ""
}

// pack begins a member; its Close ends it and leaves out open.
func (p Packing) pack(out io.Writer) (io.WriteCloser, error) {
	switch p {
	case Gzip:
		return gzip.NewWriter(out), nil
	case Zstd:
		return zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	}
	return open{out}, nil
}

// open leaves its writer open.
type open struct{ io.Writer }

func (open) Close() error { return nil }

// unpackZstd reads what Zstd packed.
func unpackZstd(packed io.Reader) (io.ReadCloser, error) {
	reader, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return reader.IOReadCloser(), nil
}
