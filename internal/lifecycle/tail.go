package lifecycle

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

const (
	tailLines    = 20
	tailLineSize = 2 << 10 // bytes of a line that are kept
)

// tail is a writer that cuts a program's output into lines, logs each and remembers the last of them.
// Safe for concurrent use.
type tail struct {
	log   *slog.Logger
	level slog.Level

	mu      sync.Mutex
	partial []byte
	lines   []string
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partial = append(t.partial, p...)
	for {
		end := bytes.IndexByte(t.partial, '\n')
		if end < 0 {
			break
		}
		t.add(string(t.partial[:end]))
		t.partial = t.partial[end+1:]
	}
	if len(t.partial) > tailLineSize { // a program that never ends its line costs no more than this
		t.add(string(t.partial))
		t.partial = nil
	}
	return len(p), nil
}

func (t *tail) add(line string) {
	line = strings.TrimRight(line, " \r\t")
	if line == "" {
		return
	}
	if len(line) > tailLineSize {
		line = line[:tailLineSize]
	}
	t.log.Log(context.Background(), t.level, line)
	if len(t.lines) == tailLines {
		t.lines = t.lines[1:]
	}
	t.lines = append(t.lines, line)
}

// String returns the last lines, oldest first.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.lines
	if len(t.partial) > 0 {
		lines = append(slices.Clip(lines), string(t.partial))
	}
	return strings.Join(lines, "\n")
}
