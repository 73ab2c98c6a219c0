// The Go side of the tunnel's benchmark: the managed clusters that load either server, and the server that ours is
// compared with. hashicorp/yamux over Go's TLS, each with one connection a cluster, as Guardian has it.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"io"
	"os"
	"time"

	"github.com/hashicorp/yamux"
)

var (
	mode        = flag.String("mode", "", "what to do: push, fetch, streams, inner or idle")
	listen      = flag.Bool("listen", false, "be the server")
	dial        = flag.String("dial", "", "the server's address")
	certificate = flag.String("cert", "", "file with certificate and key")
	streams     = flag.Int("streams", 16, "streams at once")
	size        = flag.Int64("bytes", 0, "bytes in all")
	seconds     = flag.Float64("seconds", 0, "push for so long instead")
	count       = flag.Int("count", 0, "streams (streams), uploads (inner) or clusters (idle) in all")
)

func main() {
	flag.Parse()
	if *listen {
		serve()
	} else {
		load()
	}
}

func tlsConfig() *tls.Config {
	pair, err := tls.LoadX509KeyPair(*certificate, *certificate)
	check(err)
	return &tls.Config{
		Certificates:       []tls.Certificate{pair},
		ClientAuth:         tls.RequestClientCert,
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS13,
	}
}

// config is Guardian's.
func config() *yamux.Config {
	config := yamux.DefaultConfig()
	config.AcceptBacklog = 1000
	config.KeepAliveInterval = 100 * time.Millisecond
	config.LogOutput = io.Discard
	return config
}

func say(what any) {
	check(json.NewEncoder(os.Stdout).Encode(what))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
