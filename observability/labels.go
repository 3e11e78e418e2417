package observability

import "sync"

// maxValues is how many values one label may take; the rest become "other". Names of processes, steps
// and queues stay far below; the limit is for what nobody foresaw.
const maxValues = 200

// limiter bounds the values of labels, and so the series of a process, for good.
type limiter struct {
	mu   sync.RWMutex
	seen map[string]map[string]struct{} // label -> values
}

func newLimiter() *limiter { return &limiter{seen: map[string]map[string]struct{}{}} }

// value returns v, or "other" when label has had its share of values.
func (l *limiter) value(label, v string) string {
	if v == "" {
		return ""
	}
	l.mu.RLock()
	_, known := l.seen[label][v]
	l.mu.RUnlock()
	if known {
		return v
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	values := l.seen[label]
	if values == nil {
		values = map[string]struct{}{}
		l.seen[label] = values
	}
	if _, known = values[v]; !known && len(values) >= maxValues {
		return "other"
	}
	values[v] = struct{}{}
	return v
}
