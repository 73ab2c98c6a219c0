package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"
)

// Guardian's timings.
const (
	dialTimeout      = 10 * time.Second
	dialRetry        = 5 * time.Second
	rebuildInterval  = 2 * time.Second
	keepAlive        = 100 * time.Millisecond
	keepAliveTimeout = 10 * time.Second
	acceptBacklog    = 1000
)

// agent is a managed cluster's end of its tunnel: it dials for ever, as Guardian does, and answers requests.
type agent struct {
	identity identity
	address  string
	tls      *tls.Config

	mutex    sync.Mutex
	session  *yamux.Session
	changed  chan struct{}
	sessions int64
	failures map[string]int64
}

type agentCounts struct {
	Connected int `json:"connected"`
	// Sessions that came about, those of reconnects included.
	Sessions int64 `json:"sessions"`
	// Dials that failed, by why.
	Failures map[string]int64 `json:"failures"`
}

func newAgent(identity identity, address string, roots *x509.CertPool) *agent {
	return &agent{
		identity: identity,
		address:  address,
		tls: &tls.Config{
			Certificates: []tls.Certificate{identity.certificate},
			RootCAs:      roots,
			ServerName:   *serverName,
		},
		changed:  make(chan struct{}),
		failures: map[string]int64{},
	}
}

func (a *agent) run() {
	for {
		built := time.Now()
		if session := a.dial(); session != nil {
			a.set(session)
			a.serve(session)
			a.set(nil)
		} else {
			time.Sleep(dialRetry)
			continue
		}
		// A session that has stood is replaced at once.
		time.Sleep(rebuildInterval - time.Since(built))
	}
}

func (a *agent) dial() *yamux.Session {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: a.tls}
	within, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	connection, err := dialer.DialContext(within, "tcp", a.address)
	if err != nil {
		a.failed(err)
		return nil
	}
	config := yamux.DefaultConfig()
	config.AcceptBacklog = acceptBacklog
	config.KeepAliveInterval = keepAlive
	config.ConnectionWriteTimeout = keepAliveTimeout
	config.LogOutput = io.Discard
	session, err := yamux.Client(connection, config)
	check(err)
	return session
}

func (a *agent) failed(err error) {
	why := "other: " + err.Error()
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		why = "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		why = "closed"
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.failures[why]++
}

func (a *agent) set(session *yamux.Session) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.session = session
	if session != nil {
		a.sessions++
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

// serve answers what the manager asks until the session is over.
func (a *agent) serve(session *yamux.Session) {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	server := &http.Server{
		Handler:   http.HandlerFunc(answer),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{a.identity.certificate}},
		Protocols: protocols,
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	_ = server.ServeTLS(session, "", "")
	_ = server.Close()
	_ = session.Close()
}

func answer(response http.ResponseWriter, request *http.Request) {
	switch request.URL.Path {
	case "/apis/projectcalico.org/v3/clusterinformations/default":
		_, _ = io.WriteString(response, `{"kind":"ClusterInformation","spec":{"calicoVersion":"v3.32.1"}}`)
	case "/api/v1/namespaces":
		_, _ = io.WriteString(response, `{"kind":"NamespaceList","metadata":{"remainingItemCount":6},"items":[{}]}`)
	default:
		http.NotFound(response, request)
	}
}

// open opens a stream, as soon as there is a session: Guardian keeps those who come meanwhile.
func (a *agent) open(stop context.Context) (net.Conn, error) {
	for {
		a.mutex.Lock()
		session, changed := a.session, a.changed
		a.mutex.Unlock()
		if session != nil {
			if stream, err := session.OpenStream(); err == nil {
				return stream, nil
			}
		}
		select {
		case <-changed:
		case <-stop.Done():
			return nil, os.ErrDeadlineExceeded
		}
	}
}

func (a *agent) addTo(counts *agentCounts) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.session != nil && !a.session.IsClosed() {
		counts.Connected++
	}
	counts.Sessions += a.sessions
	for why, count := range a.failures {
		counts.Failures[why] += count
	}
}
