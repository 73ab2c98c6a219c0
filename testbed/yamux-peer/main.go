// A peer for tests: the real hashicorp/yamux on one connection, told what to do by lines of JSON on stdin, answering
// each on stdout. Commands run side by side, so that one that waits holds no other up.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

type command struct {
	ID     int    `json:"id"`
	Op     string `json:"op"`
	Stream uint32 `json:"stream"`
	Size   int    `json:"size"`
	Chunk  int    `json:"chunk"`
	Count  int    `json:"count"`
}

type answer struct {
	ID      int     `json:"id"`
	Error   string  `json:"error,omitempty"`
	Stream  uint32  `json:"stream,omitempty"`
	Size    int     `json:"size"`
	Sha256  string  `json:"sha256,omitempty"`
	EOF     bool    `json:"eof"`
	Seconds float64 `json:"seconds"`
	Streams int     `json:"streams"`
	Closed  bool    `json:"closed"`
}

type peer struct {
	session *yamux.Session
	mutex   sync.Mutex
	streams map[uint32]*yamux.Stream
	output  *json.Encoder
}

func main() {
	dial := flag.String("dial", "", "address to connect to")
	role := flag.String("role", "client", "client or server of the session")
	keepAlive := flag.Duration("keepalive", 0, "interval of pings; 0 for none")
	writeTimeout := flag.Duration("write-timeout", 10*time.Second, "ConnectionWriteTimeout, the patience for a ping's answer too")
	backlog := flag.Int("backlog", 256, "AcceptBacklog")
	window := flag.Uint("window", 256*1024, "MaxStreamWindowSize")
	openTimeout := flag.Duration("open-timeout", 75*time.Second, "StreamOpenTimeout")
	closeTimeout := flag.Duration("close-timeout", 5*time.Minute, "StreamCloseTimeout")
	flag.Parse()

	config := yamux.DefaultConfig()
	config.EnableKeepAlive = *keepAlive > 0
	if *keepAlive > 0 {
		config.KeepAliveInterval = *keepAlive
	}
	config.ConnectionWriteTimeout = *writeTimeout
	config.AcceptBacklog = *backlog
	config.MaxStreamWindowSize = uint32(*window)
	config.StreamOpenTimeout = *openTimeout
	config.StreamCloseTimeout = *closeTimeout
	config.LogOutput = os.Stderr

	connection, err := net.Dial("tcp", *dial)
	if err != nil {
		panic(err)
	}
	start := yamux.Client
	if *role == "server" {
		start = yamux.Server
	}
	session, err := start(connection, config)
	if err != nil {
		panic(err)
	}
	p := &peer{session: session, streams: map[uint32]*yamux.Stream{}, output: json.NewEncoder(os.Stdout)}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			panic(err)
		}
		go func() {
			a := answer{ID: c.ID}
			started := time.Now()
			if err := p.run(c, &a); err != nil {
				a.Error = err.Error()
			}
			a.Seconds = time.Since(started).Seconds()
			p.mutex.Lock()
			defer p.mutex.Unlock()
			_ = p.output.Encode(a)
		}()
	}
}

func (p *peer) run(c command, a *answer) error {
	switch c.Op {
	case "open":
		return p.take(p.session.OpenStream())(a)
	case "accept":
		return p.take(p.session.AcceptStream())(a)
	case "ping":
		took, err := p.session.Ping()
		a.Seconds = took.Seconds()
		return err
	case "goAway":
		return p.session.GoAway()
	case "closeSession":
		return p.session.Close()
	case "state":
		a.Streams = p.session.NumStreams()
		a.Closed = p.session.IsClosed()
		return nil
	case "echo":
		go p.echo()
		return nil
	case "pingPong":
		return p.pingPong(c)
	}
	p.mutex.Lock()
	stream := p.streams[c.Stream]
	p.mutex.Unlock()
	switch c.Op {
	case "write":
		size, err := io.CopyBuffer(onlyWriter{stream}, io.LimitReader(pattern{}, int64(c.Size)), make([]byte, max(c.Chunk, 1)))
		a.Size = int(size)
		return err
	case "read":
		hash := sha256.New()
		size, err := io.CopyBuffer(hash, onlyReader{io.LimitReader(stream, int64(c.Size))}, make([]byte, max(c.Chunk, 1)))
		a.Size, a.Sha256, a.EOF = int(size), hex.EncodeToString(hash.Sum(nil)), int(size) < c.Size
		return err
	case "close":
		return stream.Close()
	case "readDeadline":
		return stream.SetReadDeadline(time.Now().Add(time.Duration(c.Size) * time.Millisecond))
	case "writeDeadline":
		return stream.SetWriteDeadline(time.Now().Add(time.Duration(c.Size) * time.Millisecond))
	}
	panic("unknown command " + c.Op)
}

func (p *peer) take(stream *yamux.Stream, err error) func(*answer) error {
	return func(a *answer) error {
		if err != nil {
			return err
		}
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.streams[stream.StreamID()] = stream
		a.Stream = stream.StreamID()
		return nil
	}
}

// echo sends back what comes on every stream the other side opens.
func (p *peer) echo() {
	for {
		stream, err := p.session.AcceptStream()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(stream, stream)
			_ = stream.Close()
		}()
	}
}

// pingPong opens a stream and exchanges a small message back and forth on it.
func (p *peer) pingPong(c command) error {
	stream, err := p.session.OpenStream()
	if err != nil {
		return err
	}
	defer stream.Close()
	message, got := make([]byte, c.Size), make([]byte, c.Size)
	for range c.Count {
		if _, err := (pattern{}).Read(message); err != nil {
			return err
		}
		if _, err := stream.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(stream, got); err != nil {
			return err
		}
		if string(got) != string(message) {
			return io.ErrNoProgress
		}
	}
	return nil
}

// pattern is an endless supply of bytes that both sides can compute: 0, 1, ... 250, 0, 1, ...
type pattern struct{}

func (pattern) Read(buffer []byte) (int, error) {
	// Whole rounds only, so that the next read begins with 0 again.
	size := len(buffer)
	if size > 251 {
		size -= size % 251
	}
	for at := range size {
		buffer[at] = byte(at % 251)
	}
	return size, nil
}

// These hide the shortcuts of io.Copy, so that the asked chunk size is what is used.
type onlyWriter struct{ io.Writer }
type onlyReader struct{ io.Reader }
