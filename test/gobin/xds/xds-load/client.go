package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// client is one stream. It keeps versions, not contents.
type client struct {
	fleet    *fleet
	index    int
	slow     bool
	names    []string
	versions map[string]string
	// Of the current goal.
	goal     *goal
	done     bool
	received int
}

func newClient(of *fleet, index int, slow bool) *client {
	c := &client{fleet: of, index: index, slow: slow, versions: make(map[string]string)}
	// All want the first, which is the one that changes; the others are spread.
	for each := range of.names {
		at := 0
		if each > 0 {
			at = 1 + (index*(of.names-1)+each)%(of.resources-1)
		}
		c.names = append(c.names, fmt.Sprintf("resource-%06d", at))
	}
	return c
}

// run goes on with another stream where one ends, as proxies do: after a pause that grows, of a random length.
func (c *client) run(ctx context.Context, connection *grpc.ClientConn, again bool) {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		got, err := c.serve(ctx, connection, again)
		if ctx.Err() != nil {
			return
		}
		if code := status.Code(err); code != codes.Unavailable && code != codes.Aborted {
			log.Fatalf("stream %d: %v", c.index, err)
		}
		c.fleet.reconnects.Add(1)
		if got {
			pause = 50 * time.Millisecond
		}
		again = true
		select {
		case <-ctx.Done():
			return
		case <-time.After(rand.N(pause)):
		}
	}
}

// serve is one stream, to its end; whether it got something.
func (c *client) serve(ctx context.Context, connection *grpc.ClientConn, again bool) (got bool, err error) {
	method := "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
	if c.fleet.variant == "sotw" {
		method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
	}
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return got, err
	}
	for _, request := range c.first(again) {
		if err := stream.SendMsg(&request); err != nil {
			return got, err
		}
	}
	if c.slow {
		<-ctx.Done()
		return got, ctx.Err()
	}
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			return got, err
		}
		got = true
		c.fleet.bytes.Add(int64(len(message)))
		of := c.fleet.current()
		if of != c.goal {
			c.goal, c.done, c.received = of, false, 0
		}
		answer, seen := c.read(message)
		if err := stream.SendMsg(&answer); err != nil {
			return got, err
		}
		if c.done {
			continue
		}
		if of.marker == nil {
			want := c.fleet.names
			if want == 0 {
				want = c.fleet.resources
			}
			seen = c.received >= want
		}
		if seen {
			c.done = true
			c.fleet.reached(of)
		}
	}
}

// first is what a stream begins with: a request for each type.
func (c *client) first(again bool) (requests [][]byte) {
	node := encodeNode(fmt.Sprintf("node-%05d", c.index), c.fleet.labels)
	if c.fleet.variant == "sotw" {
		return [][]byte{encodeSotw(sotwRequest{node: node, typeURL: c.fleet.typeURLs[0], names: c.names})}
	}
	for _, typeURL := range c.fleet.typeURLs {
		request := deltaRequest{node: node, typeURL: typeURL, names: c.names}
		switch {
		case len(c.fleet.typeURLs) > 1:
			// Versions are kept without their types: it takes all again.
		case again && c.fleet.names > 0:
			request.versions = appendVersions(nil, c.versions)
		case again:
			request.versions = c.fleet.known()
		}
		requests = append(requests, encodeDelta(request))
		node = nil
	}
	return requests
}

// read takes a response: what acknowledges it, and whether the marker was in it.
func (c *client) read(message []byte) (answer []byte, seen bool) {
	marker := c.goal.marker
	look := func(value []byte) {
		c.received++
		seen = seen || marker != nil && bytes.Contains(value, marker)
	}
	if c.fleet.variant == "sotw" {
		version, nonce := readSotw(message, look)
		return encodeSotw(sotwRequest{
			typeURL: c.fleet.typeURLs[0], names: c.names, version: version, nonce: nonce,
		}), seen
	}
	remembers := c.fleet.names > 0 || c.index == 0
	typeURL, nonce := readDelta(message, func(name, version, value []byte) {
		look(value)
		if remembers {
			c.fleet.mu.Lock()
			c.versions[string(name)] = string(version)
			c.fleet.mu.Unlock()
		}
	})
	return encodeDelta(deltaRequest{typeURL: typeURL, nonce: nonce}), seen
}
