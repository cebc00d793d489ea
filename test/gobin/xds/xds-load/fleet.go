package main

import (
	"context"
	"log"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// fleet is all clients, and what they wait for together.
type fleet struct {
	options
	clients []*client
	bytes   atomic.Int64
	// Streams that ended by themselves.
	reconnects atomic.Int64

	mu      sync.Mutex
	goal    *goal
	cancel  context.CancelFunc
	running sync.WaitGroup
	// What clients with the wildcard say that they have, encoded; nil: not yet since `connect`.
	shared []byte
}

// goal is what all clients are to reach: their first state, or a value that begins with a marker.
type goal struct {
	name    string
	marker  []byte
	started float64
	mu      sync.Mutex
	times   []float64
}

func newFleet(given options) *fleet {
	f := &fleet{options: given}
	for index := range given.streams + given.slow {
		f.clients = append(f.clients, newClient(f, index, index >= given.streams))
	}
	return f
}

func now() float64 { return float64(time.Now().UnixMicro()) / 1000 }

func (f *fleet) expect(marker string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shared = nil
	f.goal = &goal{name: "seen", marker: []byte(marker), started: now()}
}

func (f *fleet) current() *goal {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.goal
}

// reached is called once by each client that has reached the goal and acknowledged it.
func (f *fleet) reached(of *goal) {
	of.mu.Lock()
	defer of.mu.Unlock()
	of.times = append(of.times, now())
	if len(of.times) < f.streams {
		return
	}
	slices.Sort(of.times)
	at := func(quantile float64) float64 { return of.times[int(quantile*float64(len(of.times)-1))] }
	say(map[string]any{
		"event": of.name, "started": of.started, "p50": at(0.5), "p99": at(0.99), "last": at(1),
		"bytes": f.bytes.Load(), "cpu_ms": cpuMs(), "reconnects": f.reconnects.Load(),
	})
}

// connect opens all streams. Again: they say what they have.
func (f *fleet) connect(again bool) {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	if !again {
		f.mu.Lock()
		f.goal = &goal{name: "first-state", started: now()}
		f.mu.Unlock()
	}
	f.mu.Lock()
	f.shared = nil
	f.mu.Unlock()
	count := f.connections
	if count == 0 {
		count = f.streams
	}
	connections := make([]*grpc.ClientConn, count+f.slow)
	for index := range connections {
		connections[index] = f.dial()
	}
	for index, each := range f.clients {
		connection := connections[index%count]
		if each.slow {
			connection = connections[count+index-f.streams]
		}
		f.running.Go(func() {
			each.run(ctx, connection, again)
		})
	}
	context.AfterFunc(ctx, func() {
		for _, each := range connections {
			_ = each.Close()
		}
	})
}

// known is what clients with the wildcard have: all have the same, and the first remembers it.
func (f *fleet) known() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shared == nil {
		f.shared = appendVersions([]byte{}, f.clients[0].versions)
	}
	return f.shared
}

func (f *fleet) disconnect() {
	f.cancel()
	f.running.Wait()
}

func (f *fleet) dial() *grpc.ClientConn {
	connection, err := grpc.NewClient("passthrough:///"+f.address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodec(raw{}),
			// Servers should stay under gRPC's 4 MB; those that don't are measured all the same.
			grpc.MaxCallRecvMsgSize(1<<30),
			grpc.MaxCallSendMsgSize(1<<30),
			grpc.WaitForReady(true),
		),
		grpc.WithSharedWriteBuffer(true),
	)
	if err != nil {
		log.Fatal(err)
	}
	return connection
}
