package main

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// streams are those that are open, to be ended on command.
type streams struct {
	// Delta streams are refused.
	sotw bool
	mu   sync.Mutex
	ctx  context.Context
	end  context.CancelFunc
}

func newStreams(sotw bool) *streams {
	ctx, end := context.WithCancel(context.Background())
	return &streams{sotw: sotw, ctx: ctx, end: end}
}

func (s *streams) intercept(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
) error {
	if s.sotw && strings.HasSuffix(info.FullMethod, "/DeltaAggregatedResources") {
		return status.Error(codes.Unimplemented, "only state of the world is served")
	}
	s.mu.Lock()
	ctx := s.ctx
	s.mu.Unlock()
	// The handler waits for the client. It ends, too, when the stream is over.
	ended := make(chan error, 1)
	go func() { ended <- handler(srv, stream) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return status.Error(codes.Unavailable, "ended on command")
	}
}

func (s *streams) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	s.ctx, s.end = context.WithCancel(context.Background())
}
