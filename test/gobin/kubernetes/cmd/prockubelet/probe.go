// Probes and hooks of containers, by the code that a kubelet has for them.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/probe"
	grpcprobe "k8s.io/kubernetes/pkg/probe/grpc"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
	tcpprobe "k8s.io/kubernetes/pkg/probe/tcp"
)

// eager is how often a container is probed that is not well yet: sooner than its spec says, since tests wait for it.
const eager = 200 * time.Millisecond

// probe keeps the container's state as its probes say while the process lives, and tells `ill` when it has to start anew.
func (k *kubelet) probe(p *pod, c *container, process *process, ill chan<- string) {
	if s := c.StartupProbe; s != nil {
		if !k.observe(p, c, process, s, true, func(ok bool) bool {
			if !ok {
				ill <- "startup"
			}
			return ok
		}) {
			return
		}
		p.change(func() { c.started, c.ready = true, c.ReadinessProbe == nil })
	}
	if s := c.LivenessProbe; s != nil {
		go k.observe(p, c, process, s, false, func(ok bool) bool {
			if !ok {
				ill <- "liveness"
			}
			return !ok
		})
	}
	if s := c.ReadinessProbe; s != nil {
		k.observe(p, c, process, s, true, func(ok bool) bool {
			p.change(func() { c.ready = ok && c.process == process })
			return false
		})
	}
}

// observe probes until `tell` has enough, and then gives what it was told; it is told only what has changed. isEager: before the first
// success, the probe is repeated more often than its spec says, with as much time until it has failed.
func (k *kubelet) observe(p *pod, c *container, process *process, s *v1.Probe, isEager bool, tell func(ok bool) (isEnough bool)) bool {
	period := time.Duration(max(s.PeriodSeconds, 1)) * time.Second
	limit := time.Duration(max(s.FailureThreshold, 1)) * period
	wait := time.Duration(s.InitialDelaySeconds) * time.Second
	successes, failures, isKnown, was := int32(0), time.Duration(0), false, false
	if !isEager {
		wait = max(wait, period)
	} else if s == c.ReadinessProbe {
		wait = 0
	}
	for {
		select {
		case <-process.done:
			return false
		case <-time.After(wait):
		}
		err := k.probeOnce(p, c, s)
		wait = period
		if isEager && !was {
			wait = min(period, eager)
		}
		if err == nil {
			successes, failures = successes+1, 0
		} else {
			successes, failures = 0, failures+wait
		}
		switch {
		case err == nil && successes >= max(s.SuccessThreshold, 1) && (!isKnown || !was):
			isKnown, was = true, true
		case err != nil && failures >= limit && (!isKnown || was):
			isKnown, was = true, false
		default:
			continue
		}
		if tell(was) {
			return was
		}
	}
}

func (k *kubelet) probeOnce(p *pod, c *container, s *v1.Probe) error {
	timeout := time.Duration(max(s.TimeoutSeconds, 1)) * time.Second
	if s.GRPC != nil {
		service := ""
		if s.GRPC.Service != nil {
			service = *s.GRPC.Service
		}
		return judge(grpcprobe.New().Probe(p.address(), service, int(s.GRPC.Port), timeout))
	}
	return k.act(p, c, &v1.LifecycleHandler{HTTPGet: s.HTTPGet, TCPSocket: s.TCPSocket, Exec: s.Exec}, timeout)
}

// act does what a probe or hook says.
func (k *kubelet) act(p *pod, c *container, h *v1.LifecycleHandler, timeout time.Duration) error {
	switch {
	case h.HTTPGet != nil:
		request, err := httpprobe.NewRequestForHTTPGetAction(h.HTTPGet, c.Container, p.address(), "probe")
		if err != nil {
			return err
		}
		return judge(httpprobe.New(false).Probe(request, timeout))
	case h.TCPSocket != nil:
		port, err := probe.ResolveContainerPort(h.TCPSocket.Port, c.Container)
		if err != nil {
			return err
		}
		host := h.TCPSocket.Host
		if host == "" {
			host = p.address()
		}
		return judge(tcpprobe.New().Probe(host, port, timeout))
	case h.Exec != nil:
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		var out bytes.Buffer
		if err := k.exec(ctx, p, c, h.Exec.Command, nil, &out, &out); err != nil {
			return fmt.Errorf("%w: %s", err, out.Bytes())
		}
	case h.Sleep != nil:
		time.Sleep(time.Duration(h.Sleep.Seconds) * time.Second)
	}
	return nil
}

func judge(result probe.Result, output string, err error) error {
	if err == nil && result != probe.Success && result != probe.Warning {
		err = fmt.Errorf("%s: %s", result, output)
	}
	return err
}

// hook runs what is to come after a container's start or before its end; that fails without harm, as with a kubelet's preStop.
func (k *kubelet) hook(p *pod, c *container, h *v1.LifecycleHandler) {
	done := make(chan error, 1)
	go func() { done <- k.act(p, c, h, p.grace()) }()
	select {
	case err := <-done:
		if err != nil {
			log.Printf("hook of %s/%s %s: %v", p.Namespace, p.Name, c.Name, err)
		}
	case <-time.After(p.grace()):
	}
}
