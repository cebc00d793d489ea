// xds-server serves resources by go-control-plane: an xDS server that is not ours. It is told what to serve, and tells
// what it hears, in JSON objects, one a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
)

// A command: `set` replaces all resources of a type (which tells state-of-the-world clients all of them), `update` changes
// some, `remove` takes some away, `fill` makes many, `touch` changes one of those, `end-streams` ends every stream,
// `counts` asks for what was heard.
type command struct {
	Op        string     `json:"op"`
	TypeURL   string     `json:"type_url"`
	Resources []resource `json:"resources"`
	Names     []string   `json:"names"`
	Count     int        `json:"count"`
	Size      int        `json:"size"`
	Index     int        `json:"index"`
	Revision  int        `json:"revision"`
}

type resource struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen at")
	sotw := flag.Bool("sotw", false, "serve state of the world only, as older servers do")
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	heard := newCounts()
	streams := newStreams(*sotw)
	caches := newCaches()
	grpcServer := grpc.NewServer(
		grpc.StreamInterceptor(streams.intercept),
		grpc.MaxRecvMsgSize(64<<20),
		grpc.MaxConcurrentStreams(100_000),
	)
	discovery.RegisterAggregatedDiscoveryServiceServer(
		grpcServer, server.NewServer(context.Background(), caches, heard.callbacks()))
	go func() { log.Fatal(grpcServer.Serve(listener)) }()

	say(map[string]any{"event": "listening", "port": listener.Addr().(*net.TCPAddr).Port})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 256<<20)
	for lines.Scan() {
		var given command
		if err := json.Unmarshal(lines.Bytes(), &given); err != nil {
			log.Fatalf("expected a command in JSON, found %q: %v", lines.Text(), err)
		}
		at := float64(time.Now().UnixMicro()) / 1000
		answer := map[string]any{"event": "done", "at": at}
		switch given.Op {
		case "end-streams":
			streams.endAll()
		case "counts":
			answer = map[string]any{"event": "counts", "types": heard.snapshot()}
		default:
			if err := caches.change(given); err != nil {
				log.Fatalf("%s: %v", given.Op, err)
			}
		}
		say(answer)
	}
}

func say(event map[string]any) {
	line, err := json.Marshal(event)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}
