package main

import (
	"sync"
	"time"
)

// faults says when the sink fails. Its zero value never does.
type faults struct {
	unavailable time.Duration
	cut         int
	hold        int

	once  sync.Once
	start time.Time
}

// status is that of a request which is refused as a whole, or 0.
func (f *faults) status() int {
	if f.unavailable == 0 {
		return 0
	}
	f.once.Do(func() { f.start = time.Now() })
	switch since := time.Since(f.start); {
	case since < f.unavailable:
		return 503
	case since < 2*f.unavailable:
		return 429
	default:
		return 0
	}
}

func (f *faults) cuts(request int) bool {
	return f.cut > 0 && request%f.cut == 0
}

func (f *faults) holds(request int) bool {
	return f.hold > 0 && request%f.hold == 0
}
