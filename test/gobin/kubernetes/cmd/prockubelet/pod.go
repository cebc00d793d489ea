// A pod's life: namespaces, volumes, init containers one after another, containers beside each other, and the end.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type pod struct {
	*v1.Pod
	directory  string
	node       string // address
	since      metav1.Time
	inits      []*container
	containers []*container
	stop       chan struct{} // closed: it is to end
	ended      chan struct{} // closed: nothing of it runs
	sandbox    *sandbox
	volumes    map[string]string // directories by name
	tokens     map[string]token  // by audience

	mu          sync.Mutex
	deadline    time.Time // when what has not ended is killed
	isInit      bool      // its init containers are done
	phase       v1.PodPhase
	message     string // what it waits for
	changed     chan struct{}
	transitions map[v1.PodConditionType]v1.PodCondition
}

func newPod(object *v1.Pod, directory, node string) *pod {
	p := &pod{Pod: object, directory: directory, node: node, since: metav1.Now(), stop: make(chan struct{}), ended: make(chan struct{}),
		volumes: map[string]string{}, tokens: map[string]token{}, phase: v1.PodPending, changed: make(chan struct{}, 1),
		transitions: map[v1.PodConditionType]v1.PodCondition{}}
	made := func(specs []v1.Container) (out []*container) {
		for i := range specs {
			out = append(out, &container{Container: &specs[i], stop: make(chan struct{}),
				state: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "PodInitializing"}}})
		}
		return out
	}
	p.inits, p.containers = made(object.Spec.InitContainers), made(object.Spec.Containers)
	return p
}

// change makes a change that the pod's status may show.
func (p *pod) change(make func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	make()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// end has the pod stop within so many seconds. A second call may only shorten the time.
func (p *pod) end(seconds *int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	grace := first(seconds, p.Spec.TerminationGracePeriodSeconds)
	if grace == nil {
		grace = new(int64(v1.DefaultTerminationGracePeriodSeconds))
	}
	deadline := time.Now().Add(time.Duration(*grace) * time.Second)
	if p.deadline.IsZero() || deadline.Before(p.deadline) {
		p.deadline = deadline
	}
	if !isClosed(p.stop) {
		close(p.stop)
	}
}

// grace is how long a process may take from now on to end by itself.
func (p *pod) grace() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deadline.IsZero() { // a probe ends it, not the pod
		return v1.DefaultTerminationGracePeriodSeconds * time.Second
	}
	return time.Until(p.deadline)
}

func (p *pod) hostname() string {
	if p.Spec.Hostname != "" {
		return p.Spec.Hostname
	}
	return p.Name
}

// logFile is where a container's process with so many before it has its output.
func (p *pod) logFile(container string, restarts int32) string {
	return filepath.Join(filepath.Dir(p.directory), "logs", fmt.Sprintf("%s_%s_%s.%d.log", p.Namespace, p.Name, container, restarts))
}

func (k *kubelet) run(p *pod) {
	go k.report(p)
	defer func() {
		close(p.ended)
		<-p.stop
		k.remove(p.Pod)
		k.mu.Lock()
		delete(k.pods, p.UID)
		k.mu.Unlock()
		if p.sandbox != nil {
			p.sandbox.close()
		}
		_ = os.RemoveAll(p.directory)
	}()
	if !k.prepare(p) {
		return
	}
	go k.keepVolumes(p)
	var sidecars []*container
	phase := v1.PodSucceeded
	if k.initialize(p, &sidecars) {
		p.change(func() { p.isInit, p.phase = true, v1.PodRunning })
		var all sync.WaitGroup
		codes := make([]int, len(p.containers))
		for i, c := range p.containers {
			all.Go(func() { codes[i] = k.keep(p, c, p.Spec.RestartPolicy) })
		}
		go func() {
			<-p.stop
			for _, c := range p.containers {
				close(c.stop)
			}
		}()
		all.Wait()
		if slices.Max(codes) > 0 {
			phase = v1.PodFailed
		}
	} else {
		phase = v1.PodFailed
	}
	for _, c := range slices.Backward(sidecars) {
		close(c.stop)
		<-c.stopped
	}
	p.change(func() { p.phase = phase })
}

// prepare makes what all containers share; false where the pod has to end before.
func (k *kubelet) prepare(p *pod) bool {
	steps := []func() error{
		func() error {
			s, err := k.newSandbox(&p.Spec, p.hostname())
			if err == nil {
				p.change(func() { p.sandbox = s })
			}
			return err
		},
		func() error { return k.writeOwnFiles(p) },
	}
	for i := range p.Spec.Volumes {
		v := &p.Spec.Volumes[i]
		steps = append(steps, func() (err error) { p.volumes[v.Name], err = k.volume(p, v); return err })
	}
	for _, step := range steps {
		for {
			err := step()
			if err == nil {
				break
			}
			p.change(func() { p.message = err.Error() })
			select {
			case <-p.stop:
				return false
			case <-time.After(again):
			}
		}
	}
	p.change(func() { p.message = "" })
	return true
}

// initialize runs the init containers; those that start anew whenever they end are sidecars, and stay until all others have ended.
func (k *kubelet) initialize(p *pod, sidecars *[]*container) bool {
	policy := v1.RestartPolicyOnFailure
	if p.Spec.RestartPolicy == v1.RestartPolicyNever {
		policy = v1.RestartPolicyNever
	}
	for _, c := range p.inits {
		if isClosed(p.stop) {
			return false
		}
		c.stopped = make(chan struct{})
		if c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways {
			*sidecars = append(*sidecars, c)
			go func() {
				k.keep(p, c, v1.RestartPolicyAlways)
				close(c.stopped)
			}()
			if !p.untilStarted(c) {
				return false
			}
			continue
		}
		go func() {
			select {
			case <-p.stop:
				close(c.stop)
			case <-c.stopped:
			}
		}()
		code := k.keep(p, c, policy)
		close(c.stopped)
		if code != 0 || isClosed(p.stop) {
			return false
		}
		p.change(func() { c.ready = true })
	}
	return true
}

// untilStarted waits for a sidecar; false where the pod has to end before.
func (p *pod) untilStarted(c *container) bool {
	for {
		p.mu.Lock()
		started := c.started
		p.mu.Unlock()
		if started {
			return true
		}
		select {
		case <-p.stop:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// writeOwnFiles makes the files of names that a pod's containers have.
func (k *kubelet) writeOwnFiles(p *pod) error {
	hosts := "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
	for _, a := range p.sandbox.addresses {
		hosts += fmt.Sprintf("%s\t%s\n", a, p.hostname())
	}
	for _, alias := range p.Spec.HostAliases {
		hosts += fmt.Sprintf("%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, " "))
	}
	domain := "svc.cluster.local"
	names := fmt.Sprintf("nameserver %s\nsearch %s.%s %s cluster.local\noptions ndots:5\n", k.dns, p.Namespace, domain, domain)
	if err := os.WriteFile(filepath.Join(p.directory, "hosts"), []byte(hosts), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.directory, "resolv.conf"), []byte(names), 0o644)
}

func (p *pod) ownFiles() []mount {
	return []mount{{From: filepath.Join(p.directory, "hosts"), To: "/etc/hosts"}, {From: filepath.Join(p.directory, "resolv.conf"), To: "/etc/resolv.conf"}}
}
