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
	open map[*endable]context.CancelFunc
}

func newStreams(sotw bool) *streams {
	return &streams{sotw: sotw, open: make(map[*endable]context.CancelFunc)}
}

// endable is a stream with a context of its own.
type endable struct {
	grpc.ServerStream
	ctx context.Context
}

func (e *endable) Context() context.Context { return e.ctx }

func (s *streams) intercept(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
) error {
	if s.sotw && strings.HasSuffix(info.FullMethod, "/DeltaAggregatedResources") {
		return status.Error(codes.Unimplemented, "only state of the world is served")
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	mine := &endable{stream, ctx}
	s.mu.Lock()
	s.open[mine] = cancel
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.open, mine)
		s.mu.Unlock()
	}()
	err := handler(srv, mine)
	if ctx.Err() != nil && stream.Context().Err() == nil {
		return status.Error(codes.Unavailable, "ended on command")
	}
	return err
}

func (s *streams) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.open {
		cancel()
	}
}
