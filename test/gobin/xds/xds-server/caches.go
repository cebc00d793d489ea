package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"google.golang.org/protobuf/types/known/emptypb"
)

// caches has one LinearCache for each type that was asked for or set.
type caches struct {
	mu     sync.Mutex
	byType map[string]*cache.LinearCache
}

func newCaches() *caches {
	return &caches{byType: make(map[string]*cache.LinearCache)}
}

func (c *caches) of(typeURL string) *cache.LinearCache {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.byType[typeURL]
	if found == nil {
		found = cache.NewLinearCache(typeURL)
		c.byType[typeURL] = found
	}
	return found
}

func (c *caches) CreateWatch(
	request *discovery.DiscoveryRequest, subscription cache.Subscription, responses chan cache.Response,
) (func(), error) {
	return c.of(request.GetTypeUrl()).CreateWatch(request, subscription, responses)
}

func (c *caches) CreateDeltaWatch(
	request *discovery.DeltaDiscoveryRequest, subscription cache.Subscription, responses chan cache.DeltaResponse,
) (func(), error) {
	return c.of(request.GetTypeUrl()).CreateDeltaWatch(request, subscription, responses)
}

func (c *caches) Fetch(context.Context, *discovery.DiscoveryRequest) (cache.Response, error) {
	return nil, errors.New("fetching is not served")
}

func (c *caches) change(given command) error {
	of := c.of(given.TypeURL)
	switch given.Op {
	case "set":
		of.SetResources(opaque(given.Resources))
		return nil
	case "update":
		return of.UpdateResources(opaque(given.Resources), nil)
	case "remove":
		return of.UpdateResources(nil, given.Names)
	case "fill":
		all := make(map[string]types.Resource, given.Count)
		for index := range given.Count {
			name := fmt.Sprintf("resource-%06d", index)
			all[name] = newOpaque(name, filler(name, 0, given.Size))
		}
		of.SetResources(all)
		return nil
	case "touch":
		name := fmt.Sprintf("resource-%06d", given.Index)
		return of.UpdateResource(name, newOpaque(name, filler(name, given.Revision, given.Size)))
	}
	return fmt.Errorf("there is no such command")
}

// filler is what test/support/xds-server.ts makes, too: the same content for both.
func filler(name string, revision int, size int) []byte {
	head := fmt.Sprintf("%s:%d:", name, revision)
	return []byte(head + strings.Repeat("x", max(0, size-len(head))))
}

// named is a resource of any type: an empty message whose unknown fields are its bytes.
type named struct {
	*emptypb.Empty
	name string
}

func (n named) GetName() string { return n.name }

func newOpaque(name string, value []byte) named {
	message := &emptypb.Empty{}
	message.ProtoReflect().SetUnknown(value)
	return named{message, name}
}

func opaque(resources []resource) map[string]types.Resource {
	all := make(map[string]types.Resource, len(resources))
	for _, each := range resources {
		all[each.Name] = newOpaque(each.Name, each.Value)
	}
	return all
}
