package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Goldmane's: where it posts to, whom it expects there, and how often it tries.
const (
	flowsURL    = "https://guardian.calico-system.svc.cluster.local/api/v1/flows/bulk"
	ingestName  = "tigera-linseed.tigera-elasticsearch.svc"
	mostRetries = 15
	lastRetry   = 30 * time.Second
)

// goldmane makes windows of flows and posts one after another, each until it is answered 200.
type goldmane struct {
	agent  *agent
	client *http.Client

	mutex  sync.Mutex
	on     bool
	window int
	counts flowCounts
	queue  chan window
}

type window struct {
	body  []byte
	flows int
}

type flowCounts struct {
	Made     int `json:"made"`
	Answered int `json:"answered"`
	// Given up after so many retries as Goldmane makes.
	Dropped int `json:"dropped"`
	Posts   int `json:"posts"`
	// Posts that were answered otherwise than by 200, and those that were not answered.
	Refused int `json:"refused"`
	Broken  int `json:"broken"`
}

func newGoldmane(a *agent, roots *x509.CertPool) *goldmane {
	config := &tls.Config{RootCAs: roots, ServerName: ingestName}
	transport := &http.Transport{
		DialTLSContext: func(stop context.Context, _, _ string) (net.Conn, error) {
			stream, err := a.open(stop)
			if err != nil {
				return nil, err
			}
			return tls.Client(stream, config), nil
		},
	}
	g := &goldmane{agent: a, client: &http.Client{Transport: transport}, queue: make(chan window, 1_000_000)}
	go g.makeAll()
	go g.postAll()
	return g
}

func (g *goldmane) setOn(on bool) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.on = on
}

func (g *goldmane) makeAll() {
	for range time.Tick(*flowsPeriod) {
		g.mutex.Lock()
		if g.on {
			g.window++
			g.counts.Made += *flowsCount
			g.queue <- window{g.lines(g.window), *flowsCount}
		}
		g.mutex.Unlock()
	}
}

type object = map[string]any

// lines are flows as Goldmane writes them, each with a name of its own, by which it is found again.
func (g *goldmane) lines(number int) []byte {
	end := time.Now().Unix() / 15 * 15
	lines := make([][]byte, *flowsCount)
	for at := range lines {
		policy := object{"kind": 1, "namespace": "store", "name": "default.backend-ingress", "tier": "default", "action": 1}
		line, err := json.Marshal(object{
			"Key": object{
				"source_name": fmt.Sprintf("%s-%d-%d-*", g.agent.identity.name, number, at), "source_namespace": "store",
				"source_type": 1, "dest_name": "backend-5d9c7b6f4-*", "dest_namespace": "store", "dest_type": 1,
				"dest_port": 8080, "dest_service_name": "backend", "dest_service_namespace": "store",
				"dest_service_port_name": "http", "dest_service_port": 8080, "proto": "tcp", "reporter": 1, "action": 1,
				"policies": object{"enforced_policies": []object{policy}, "pending_policies": []object{policy}},
			},
			"start_time": end - 15, "end_time": end,
			"source_labels": []string{"app=frontend", "tier=web"}, "dest_labels": []string{"app=backend"},
			"packets_in": 10, "packets_out": 20, "bytes_in": 1000, "bytes_out": 2000,
			"num_connections_started": 2, "num_connections_completed": 1, "num_connections_live": 1,
		})
		check(err)
		lines[at] = line
	}
	return bytes.Join(lines, []byte("\n"))
}

func (g *goldmane) postAll() {
	for window := range g.queue {
		answered := g.post(window.body)
		wait := time.Second
		for retry := 0; !answered && retry < mostRetries; retry++ {
			time.Sleep(wait)
			wait = min(wait*2, lastRetry)
			answered = g.post(window.body)
		}
		g.mutex.Lock()
		if answered {
			g.counts.Answered += window.flows
		} else {
			g.counts.Dropped += window.flows
		}
		g.mutex.Unlock()
	}
}

// post has no timeout, as Goldmane has none.
func (g *goldmane) post(body []byte) bool {
	response, err := g.client.Post(flowsURL, "application/x-ndjson", bytes.NewReader(body))
	if err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.counts.Posts++
	if err != nil {
		g.counts.Broken++
		return false
	}
	if response.StatusCode != http.StatusOK {
		g.counts.Refused++
		return false
	}
	return true
}

func (g *goldmane) addTo(counts *flowCounts) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	counts.Made += g.counts.Made
	counts.Answered += g.counts.Answered
	counts.Dropped += g.counts.Dropped
	counts.Posts += g.counts.Posts
	counts.Refused += g.counts.Refused
	counts.Broken += g.counts.Broken
}
