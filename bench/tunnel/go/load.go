package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"
)

func load() {
	if *mode == "idle" {
		idle()
		return
	}
	session := connect()
	started := time.Now()
	var moved atomic.Int64
	switch *mode {
	case "push":
		inParallel(*streams, func() { moved.Add(push(session)) })
	case "fetch":
		inParallel(*streams, func() { moved.Add(fetch(session)) })
	case "streams":
		var opened atomic.Int64
		inParallel(*streams, func() {
			for opened.Add(1) <= int64(*count) {
				exchange(session)
			}
		})
	case "inner":
		var sent atomic.Int64
		inParallel(*streams, func() { moved.Add(upload(session, &sent)) })
	}
	say(map[string]float64{"seconds": time.Since(started).Seconds(), "bytes": float64(moved.Load())})
}

func connect() *yamux.Session {
	connection, err := tls.Dial("tcp", *dial, tlsConfig())
	check(err)
	session, err := yamux.Client(connection, config())
	check(err)
	return session
}

func inParallel(times int, work func()) {
	var group sync.WaitGroup
	for range times {
		group.Go(work)
	}
	group.Wait()
}

// push writes to a stream of its own and waits until the server has read it all.
func push(session *yamux.Session) int64 {
	stream, err := session.OpenStream()
	check(err)
	moved := *size / int64(*streams)
	if *seconds == 0 {
		check(write(stream, moved))
	} else {
		moved = 0
		for end := time.Now().Add(time.Duration(*seconds * float64(time.Second))); time.Now().Before(end); moved += 64 * 1024 {
			check(write(stream, 64*1024))
		}
	}
	check(stream.Close())
	_, err = io.Copy(io.Discard, stream)
	check(err)
	return moved
}

func fetch(session *yamux.Session) int64 {
	stream, err := session.AcceptStream()
	check(err)
	moved, err := io.Copy(io.Discard, stream)
	check(err)
	check(stream.Close())
	return moved
}

// exchange opens a stream, sends a byte, gets one and closes.
func exchange(session *yamux.Session) {
	stream, err := session.OpenStream()
	check(err)
	one := []byte{1}
	_, err = stream.Write(one)
	check(err)
	_, err = io.ReadFull(stream, one)
	check(err)
	check(stream.Close())
	_, err = stream.Read(one)
	if err != io.EOF {
		panic("no end after the answer")
	}
}

// upload posts bodies of 1 MB over TLS in a stream, as Goldmane does, until enough are sent by all together.
func upload(session *yamux.Session, sent *atomic.Int64) int64 {
	transport := &http.Transport{
		DialTLS: func(_, _ string) (net.Conn, error) {
			stream, err := session.OpenStream()
			if err != nil {
				return nil, err
			}
			return tls.Client(stream, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}), nil
		},
	}
	client := &http.Client{Transport: transport}
	body := make([]byte, 1_000_000)
	var moved int64
	for sent.Add(1) <= int64(*count) {
		response, err := client.Post("https://ingest/api/v1/flows/bulk", "application/x-ndjson", bytes.NewReader(body))
		check(err)
		if response.StatusCode != http.StatusOK {
			panic(response.Status)
		}
		check(response.Body.Close())
		moved += int64(len(body))
	}
	return moved
}

// idle keeps clusters connected until its input ends, and says whether they still are.
func idle() {
	sessions := make([]*yamux.Session, *count)
	var next atomic.Int64
	inParallel(*streams, func() {
		for at := next.Add(1) - 1; at < int64(*count); at = next.Add(1) - 1 {
			sessions[at] = connect()
		}
	})
	say(map[string]int{"connected": len(sessions)})
	_, _ = io.Copy(io.Discard, os.Stdin)
	alive := 0
	for _, session := range sessions {
		if !session.IsClosed() {
			alive++
		}
	}
	say(map[string]int{"connected": alive})
}
