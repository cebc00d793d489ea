package main

import (
	"maps"
	"sync"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
)

// ofType is what was heard of one type. Initial counts the versions that requests said they had.
type ofType struct {
	Requests int    `json:"requests"`
	Acks     int    `json:"acks"`
	Nacks    int    `json:"nacks"`
	Initial  int    `json:"initial"`
	Message  string `json:"message"`
	Variant  string `json:"variant"`
}

type counts struct {
	mu     sync.Mutex
	byType map[string]ofType
}

func newCounts() *counts {
	return &counts{byType: make(map[string]ofType)}
}

func (c *counts) note(variant, typeURL, nonce string, detail *status.Status, initial int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.byType[typeURL]
	of.Requests++
	of.Initial += initial
	of.Variant = variant
	switch {
	case detail != nil:
		of.Nacks++
		of.Message = detail.GetMessage()
	case nonce != "":
		of.Acks++
	}
	c.byType[typeURL] = of
}

func (c *counts) snapshot() map[string]ofType {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.byType)
}

func (c *counts) callbacks() server.Callbacks {
	return server.CallbackFuncs{
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			c.note("sotw", request.GetTypeUrl(), request.GetResponseNonce(), request.GetErrorDetail(), 0)
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, request *discovery.DeltaDiscoveryRequest) error {
			initial := len(request.GetInitialResourceVersions())
			c.note("delta", request.GetTypeUrl(), request.GetResponseNonce(), request.GetErrorDetail(), initial)
			return nil
		},
	}
}
