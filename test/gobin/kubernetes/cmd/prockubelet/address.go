// Addresses for pods and load balancers, one after another, so that one that was given back is not taken again at once.
package main

import (
	"fmt"
	"net/netip"
	"sync"
)

type pool struct {
	prefix netip.Prefix
	mu     sync.Mutex
	last   netip.Addr
	taken  map[netip.Addr]bool
}

// pools has one for each of the networks.
func pools(networks prefixes) []*pool {
	var out []*pool
	for _, p := range networks {
		out = append(out, &pool{prefix: p.Masked(), last: p.Masked().Addr().Next(), taken: map[netip.Addr]bool{}})
	}
	return out
}

func (p *pool) take() (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	start := p.last
	for a := start.Next(); a != start; a = a.Next() {
		if !p.prefix.Contains(a) || !p.prefix.Contains(a.Next()) { // the last of a network may be its broadcast address
			a = p.prefix.Addr().Next()
		}
		if !p.taken[a] {
			p.last, p.taken[a] = a, true
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("expected a free address in %s, found none", p.prefix)
}

// claim takes this very address; false where somebody has it, or it is of another network.
func (p *pool) claim(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.prefix.Contains(a) || p.taken[a] {
		return false
	}
	p.taken[a] = true
	return true
}

func (p *pool) give(a netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, a)
}
