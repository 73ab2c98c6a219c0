package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
)

// item is one action with what became of it.
type item struct {
	action string
	index  string
	id     []byte
	// The line's number, where it has one.
	line  []byte
	known bool
	held  bool
}

// itemsOf finds the actions: every second line. Documents are not parsed, but each must look like one.
func itemsOf(body []byte, index string) ([]item, error) {
	items := make([]item, 0, 4096)
	for len(body) > 0 {
		end := bytes.IndexByte(body, '\n')
		if end == -1 {
			return nil, fmt.Errorf("the body does not end with a newline")
		}
		line := body[:end]
		body = body[end+1:]
		if end = bytes.IndexByte(body, '\n'); end == -1 {
			return nil, fmt.Errorf("an action without a document")
		}
		document := bytes.TrimSpace(body[:end])
		body = body[end+1:]
		action := actionOf(line)
		if action == "" || len(document) < 2 || document[0] != '{' || document[len(document)-1] != '}' {
			return nil, fmt.Errorf("not an action and a document: %.60q", line)
		}
		items = append(items, item{action: action, index: index, id: id(line), line: number(document)})
	}
	return items, nil
}

func actionOf(line []byte) string {
	for _, action := range []string{"create", "index"} {
		if bytes.HasPrefix(line, []byte(`{"`+action+`":{`)) || bytes.HasPrefix(line, []byte(`{"`+action+`": {`)) {
			return action
		}
	}
	return ""
}

func id(action []byte) []byte {
	for _, name := range [][]byte{[]byte(`"_id":"`), []byte(`"_id": "`)} {
		if at := bytes.Index(action, name); at != -1 {
			value := action[at+len(name):]
			return value[:bytes.IndexByte(value, '"')]
		}
	}
	return nil
}

// number is what the fault runs have their lines begin with.
func number(document []byte) []byte {
	digits, found := bytes.CutPrefix(document, []byte(`{"line":`))
	if !found {
		return nil
	}
	return digits[:bytes.IndexByte(digits, ',')]
}

// status is what Elasticsearch says of an item, with the rest of what it says then.
func (i item) status() (int, string) {
	switch {
	case i.held:
		return 429, `,"error":{"type":"es_rejected_execution_exception","reason":"the queue is full"}`
	case i.known && i.action == "create":
		return 409, `,"error":{"type":"version_conflict_engine_exception","reason":"known"}`
	case i.known:
		return 200, ""
	default:
		return 201, ""
	}
}

func hasErrors(items []item) bool {
	for _, item := range items {
		if item.held || item.known && item.action == "create" {
			return true
		}
	}
	return false
}

// answerShort is what is left by a filter_path for statuses and errors.
func answerShort(out *bufio.Writer, items []item) {
	fmt.Fprintf(out, `{"errors":%t,"items":[`, hasErrors(items))
	for at, item := range items {
		if at > 0 {
			out.WriteByte(',')
		}
		if status, rest := item.status(); status == 201 {
			out.WriteString(`{"` + item.action + `":{"status":201}}`)
		} else {
			fmt.Fprintf(out, `{"%s":{"status":%d%s}}`, item.action, status, rest)
		}
	}
	out.WriteString("]}")
}

func answerLong(out *bufio.Writer, items []item) {
	fmt.Fprintf(out, `{"took":30,"errors":%t,"items":[`, hasErrors(items))
	text := make([]byte, 0, 20)
	for at, item := range items {
		if at > 0 {
			out.WriteByte(',')
		}
		text = strconv.AppendInt(text[:0], int64(at), 10)
		out.WriteString(`{"` + item.action + `":{"_index":"`)
		out.WriteString(item.index)
		out.WriteString(`","_id":"`)
		if item.id != nil {
			out.Write(item.id)
		} else {
			out.WriteString("ZmFrZWlkZmFrZWlkZmFr")
			out.Write(text)
		}
		status, rest := item.status()
		if status < 300 {
			out.WriteString(`","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":`)
			out.Write(text)
			out.WriteString(`,"_primary_term":1,"status":`)
		} else {
			out.WriteString(`","status":`)
		}
		text = strconv.AppendInt(text[:0], int64(status), 10)
		out.Write(text)
		out.WriteString(rest)
		out.WriteString("}}")
	}
	out.WriteString("]}")
}
