package main

import (
	"crypto/tls"
	"io"
	"net"

	"github.com/hashicorp/yamux"
)

func serve() {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", tlsConfig())
	check(err)
	say(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port})
	for {
		connection, err := listener.Accept()
		check(err)
		go serveCluster(connection)
	}
}

func serveCluster(connection net.Conn) {
	config := config()
	config.EnableKeepAlive = false
	session, err := yamux.Server(connection, config)
	check(err)
	if *mode == "fetch" {
		for range *streams {
			go send(session, *size/int64(*streams))
		}
	}
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return
		}
		if *mode == "streams" {
			go answer(stream)
		} else {
			go take(stream)
		}
	}
}

// take reads a stream to its end and then ends it, so that the other side knows.
func take(stream *yamux.Stream) {
	buffer := make([]byte, 64*1024)
	for {
		if _, err := stream.Read(buffer); err != nil {
			break
		}
	}
	_ = stream.Close()
}

func answer(stream *yamux.Stream) {
	one := make([]byte, 1)
	if _, err := io.ReadFull(stream, one); err == nil {
		_, _ = stream.Write(one)
	}
	_ = stream.Close()
}

func send(session *yamux.Session, bytes int64) {
	stream, err := session.OpenStream()
	check(err)
	check(write(stream, bytes))
	check(stream.Close())
}

func write(writer io.Writer, bytes int64) error {
	buffer := make([]byte, 64*1024)
	for bytes > 0 {
		size, err := writer.Write(buffer[:min(bytes, int64(len(buffer)))])
		if err != nil {
			return err
		}
		bytes -= int64(size)
	}
	return nil
}
