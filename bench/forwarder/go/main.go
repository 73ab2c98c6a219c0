// A sink that answers _bulk requests as an Elasticsearch does that stores every document, and counts what it gets.
// Prints {"port": N} when it listens, and answers GET /count with what it has. Flags make it fail now and then.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

type sink struct {
	faults faults
	mutex  sync.Mutex
	seed   maphash.Seed
	// Hashes of ids with their indices; documents without an id are new ones each time, as in Elasticsearch.
	ids       map[uint64]struct{}
	documents int
	repeated  int
	requests  int
	bytes     int64
	// Numbers of lines that are stored at least once, where lines have one.
	lines map[string]struct{}
}

func main() {
	s := &sink{seed: maphash.MakeSeed(), ids: make(map[uint64]struct{}, 1<<20), lines: make(map[string]struct{})}
	flag.DurationVar(&s.faults.unavailable, "unavailable", 0, "answer 503 for so long from the first request on, then 429")
	flag.IntVar(&s.faults.cut, "cut", 0, "store every so many-th request and cut its connection")
	flag.IntVar(&s.faults.hold, "hold", 0, "hold back half of the items of every so many-th request")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	if err := http.Serve(listener, s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/count":
		s.mutex.Lock()
		defer s.mutex.Unlock()
		json.NewEncoder(w).Encode(map[string]any{
			"documents": s.documents, "repeated": s.repeated, "requests": s.requests, "bytes": s.bytes,
			"lines": len(s.lines),
		})
	case strings.HasSuffix(r.URL.Path, "/_bulk"):
		s.bulk(w, r)
	default:
		// Index templates, and whether anybody is there.
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"acknowledged":true}`)
	}
}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (s *sink) bulk(w http.ResponseWriter, r *http.Request) {
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		from = unpacked
	}
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(from); err != nil {
		return
	}
	if status := s.faults.status(); status != 0 {
		w.WriteHeader(status)
		io.WriteString(w, `{"error":{"type":"unavailable","reason":"for a while"},"status":503}`)
		return
	}
	items, err := itemsOf(body.Bytes(), strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/_bulk"))
	if err != nil {
		http.Error(w, `{"error":{"type":"illegal_argument_exception","reason":"`+err.Error()+`"},"status":400}`, 400)
		return
	}
	if request := s.store(items, int64(body.Len())); s.faults.cuts(request) {
		panic(http.ErrAbortHandler)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	if filter := r.URL.Query().Get("filter_path"); filter != "" {
		answerShort(out, items)
	} else {
		answerLong(out, items)
	}
	out.Flush()
}

// store returns which request it was.
func (s *sink) store(items []item, bytes int64) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.requests++
	s.bytes += bytes
	holds := s.faults.holds(s.requests)
	for at := range items {
		item := &items[at]
		if item.held = holds && at%2 == 1; item.held {
			continue
		}
		if item.line != nil {
			s.lines[string(item.line)] = struct{}{}
		}
		if item.id != nil {
			hash := maphash.Bytes(s.seed, item.id)
			if _, item.known = s.ids[hash]; item.known {
				s.repeated++
				continue
			}
			s.ids[hash] = struct{}{}
		}
		s.documents++
	}
	return s.requests
}
