package main

import (
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// How long a delayed connection stays so, and what it is delayed by each way, at most.
	delayedFor = 20 * time.Second
	mostDelay  = 500 * time.Millisecond
	// Of the connections that come while there are faults, so many never get anything through.
	bornFrozen = 0.02
	chunk      = 8 * 1024
)

// faults is a TCP proxy before the manager. What it does to a connection happens to both of its ends, and neither is
// told: a frozen one stays open and takes whatever is sent, and nothing arrives.
type faults struct {
	manager  string
	listener net.Listener

	mutex  sync.Mutex
	rate   float64
	links  map[*link]struct{}
	cut    int
	slowed int
	frozen int
	// How long it took either end to give a frozen connection up.
	manages []time.Duration
	agents  []time.Duration
	// Frozen and not given up, by either end.
	waiting map[*end]time.Time
}

type noticing struct {
	Count   int     `json:"count"`
	Median  float64 `json:"median"`
	Longest float64 `json:"longest"`
	// Ends that have not given up yet, and since when, in seconds.
	Waiting int     `json:"waiting"`
	Oldest  float64 `json:"oldest"`
}

type faultCounts struct {
	Open    int      `json:"open"`
	Cut     int      `json:"cut"`
	Delayed int      `json:"delayed"`
	Frozen  int      `json:"frozen"`
	Manager noticing `json:"manager"`
	Agents  noticing `json:"agents"`
}

// link is one connection through the proxy.
type link struct {
	agent, manager end
	// Nanoseconds that each chunk waits.
	delay  atomic.Int64
	frozen atomic.Bool
}

type end struct {
	connection net.Conn
	isManager  bool
}

func newFaults(manager string) *faults {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	f := &faults{manager: manager, listener: listener, links: map[*link]struct{}{}, waiting: map[*end]time.Time{}}
	go f.acceptAll()
	go f.disturb()
	return f
}

func (f *faults) address() string {
	return f.listener.Addr().String()
}

func (f *faults) setRate(rate float64) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.rate = rate
}

func (f *faults) acceptAll() {
	for {
		connection, err := f.listener.Accept()
		check(err)
		go f.join(connection)
	}
}

func (f *faults) join(agent net.Conn) {
	manager, err := net.DialTimeout("tcp", f.manager, dialTimeout)
	if err != nil {
		reset(agent)
		return
	}
	l := &link{agent: end{agent, false}, manager: end{manager, true}}
	f.mutex.Lock()
	f.links[l] = struct{}{}
	if f.rate > 0 && rand.Float64() < bornFrozen {
		f.freeze(l)
	}
	f.mutex.Unlock()
	go f.pass(l, &l.agent, &l.manager)
	f.pass(l, &l.manager, &l.agent)
}

// pass moves bytes one way until an end is over, which ends the other; that of a frozen link is not told.
func (f *faults) pass(l *link, from, to *end) {
	buffer := make([]byte, chunk)
	for {
		size, err := from.connection.Read(buffer)
		if err != nil {
			break
		}
		if delay := l.delay.Load(); delay > 0 {
			time.Sleep(time.Duration(delay))
		}
		if l.frozen.Load() {
			continue
		}
		if _, err := to.connection.Write(buffer[:size]); err != nil {
			break
		}
	}
	_ = from.connection.Close()
	if !f.gaveUp(l, from) {
		_ = to.connection.Close()
	}
}

// gaveUp notes that an end of the link is over, and says whether that is because it is frozen.
func (f *faults) gaveUp(l *link, by *end) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	delete(f.links, l)
	since, waited := f.waiting[by]
	if !waited {
		return l.frozen.Load()
	}
	delete(f.waiting, by)
	if by.isManager {
		f.manages = append(f.manages, time.Since(since))
	} else {
		f.agents = append(f.agents, time.Since(since))
	}
	return true
}

// freeze is to be called with the mutex held.
func (f *faults) freeze(l *link) {
	l.frozen.Store(true)
	delete(f.links, l)
	f.frozen++
	now := time.Now()
	f.waiting[&l.agent], f.waiting[&l.manager] = now, now
}

// disturb cuts, delays and freezes connections at random.
func (f *faults) disturb() {
	const tick = 100 * time.Millisecond
	due := 0.0
	for range time.Tick(tick) {
		f.mutex.Lock()
		due += f.rate * tick.Seconds()
		for ; due >= 1; due-- {
			if l := f.any(); l != nil {
				f.slowed++
				l.delay.Store(int64(rand.N(mostDelay)))
				time.AfterFunc(rand.N(delayedFor), func() { l.delay.Store(0) })
			}
			if l := f.any(); l != nil {
				f.freeze(l)
			}
			if l := f.any(); l != nil {
				f.cut++
				delete(f.links, l)
				if rand.IntN(2) == 0 {
					reset(l.agent.connection)
					reset(l.manager.connection)
				} else {
					_ = l.agent.connection.Close()
					_ = l.manager.connection.Close()
				}
			}
		}
		f.mutex.Unlock()
	}
}

// any is one that is left alone so far; Go begins with another one each time.
func (f *faults) any() *link {
	for l := range f.links {
		return l
	}
	return nil
}

func reset(connection net.Conn) {
	_ = connection.(*net.TCPConn).SetLinger(0)
	_ = connection.Close()
}

func (f *faults) counts() faultCounts {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	counts := faultCounts{Open: len(f.links), Cut: f.cut, Delayed: f.slowed, Frozen: f.frozen}
	counts.Manager = summary(f.manages)
	counts.Agents = summary(f.agents)
	for e, since := range f.waiting {
		of := &counts.Agents
		if e.isManager {
			of = &counts.Manager
		}
		of.Waiting++
		of.Oldest = max(of.Oldest, time.Since(since).Seconds())
	}
	return counts
}

func summary(took []time.Duration) noticing {
	if len(took) == 0 {
		return noticing{}
	}
	sorted := slices.Sorted(slices.Values(took))
	return noticing{Count: len(took), Median: sorted[len(sorted)/2].Seconds(), Longest: sorted[len(sorted)-1].Seconds()}
}
