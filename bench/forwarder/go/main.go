// A sink that answers _bulk requests as an Elasticsearch does that stores every document, and counts what it gets.
// Prints {"port": N} when it listens, and answers GET /count with what it has.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

type sink struct {
	mutex sync.Mutex
	seed  maphash.Seed
	// Hashes of ids with their indices; documents without an id are new ones each time, as in Elasticsearch.
	ids       map[uint64]struct{}
	documents int
	repeated  int
	requests  int
	bytes     int64
}

// item is one action with what became of it.
type item struct {
	index string
	id    []byte
	known bool
}

func main() {
	s := &sink{seed: maphash.MakeSeed(), ids: make(map[uint64]struct{}, 1<<20)}
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
	items, err := itemsOf(body.Bytes(), strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/_bulk"))
	if err != nil {
		http.Error(w, `{"error":{"type":"illegal_argument_exception","reason":"`+err.Error()+`"},"status":400}`, 400)
		return
	}
	s.store(items, int64(body.Len()))
	out := bufio.NewWriterSize(w, 64<<10)
	if filter := r.URL.Query().Get("filter_path"); filter != "" {
		answerShort(out, items)
	} else {
		answerLong(out, items)
	}
	out.Flush()
}

// itemsOf finds the actions: every second line. Documents are not parsed, but each must look like one.
func itemsOf(body []byte, index string) ([]item, error) {
	items := make([]item, 0, 4096)
	for len(body) > 0 {
		end := bytes.IndexByte(body, '\n')
		if end == -1 {
			return nil, fmt.Errorf("the body does not end with a newline")
		}
		action := body[:end]
		body = body[end+1:]
		if end = bytes.IndexByte(body, '\n'); end == -1 {
			return nil, fmt.Errorf("an action without a document")
		}
		document := bytes.TrimSpace(body[:end])
		body = body[end+1:]
		isAction := bytes.HasPrefix(action, []byte(`{"create":{`)) || bytes.HasPrefix(action, []byte(`{"index":{`)) ||
			bytes.HasPrefix(action, []byte(`{"index": {`))
		if !isAction || len(document) < 2 || document[0] != '{' || document[len(document)-1] != '}' {
			return nil, fmt.Errorf("not an action and a document: %.60q", action)
		}
		items = append(items, item{index: index, id: member(action, `"_id":"`)})
	}
	return items, nil
}

func member(action []byte, name string) []byte {
	at := bytes.Index(action, []byte(name))
	if at == -1 {
		return nil
	}
	value := action[at+len(name):]
	return value[:bytes.IndexByte(value, '"')]
}

func (s *sink) store(items []item, bytes int64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.requests++
	s.bytes += bytes
	for at := range items {
		if items[at].id == nil {
			s.documents++
			continue
		}
		hash := maphash.Bytes(s.seed, items[at].id)
		if _, items[at].known = s.ids[hash]; items[at].known {
			s.repeated++
			continue
		}
		s.ids[hash] = struct{}{}
		s.documents++
	}
}

// answerShort is what is left by a filter_path for statuses and errors.
func answerShort(out *bufio.Writer, items []item) {
	errors := false
	for _, item := range items {
		errors = errors || item.known
	}
	fmt.Fprintf(out, `{"errors":%t,"items":[`, errors)
	for at, item := range items {
		if at > 0 {
			out.WriteByte(',')
		}
		if item.known {
			out.WriteString(`{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"known"}}}`)
		} else {
			out.WriteString(`{"create":{"status":201}}`)
		}
	}
	out.WriteString("]}")
}

func answerLong(out *bufio.Writer, items []item) {
	out.WriteString(`{"took":30,"errors":false,"items":[`)
	number := make([]byte, 0, 20)
	for at, item := range items {
		if at > 0 {
			out.WriteByte(',')
		}
		number = strconv.AppendInt(number[:0], int64(at), 10)
		out.WriteString(`{"index":{"_index":"`)
		out.WriteString(item.index)
		out.WriteString(`","_id":"ZmFrZWlkZmFrZWlkZmFr`)
		out.Write(number)
		out.WriteString(`","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":`)
		out.Write(number)
		out.WriteString(`,"_primary_term":1,"status":201}}`)
	}
	out.WriteString("]}")
}
