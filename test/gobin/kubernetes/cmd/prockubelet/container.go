// One container: its process, as often as it has to start.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// Between one end and the next start: doubled each time, as with a kubelet, which waits 10 s at first.
const (
	firstPause = 500 * time.Millisecond
	longPause  = 30 * time.Second
	steady     = 10 * time.Minute // what ran this long starts anew at firstPause
)

type container struct {
	*v1.Container
	stop    chan struct{} // closed: it is to end, and not to start again
	stopped chan struct{} // closed: it has ended for good

	// All below: with the pod's lock.
	restarts       int32
	state, last    v1.ContainerState
	started, ready bool
	process        *process // while it runs
	environment    []string
	privileges     privileges
}

// keep runs the container until it has ended for good, and gives its last exit code.
func (k *kubelet) keep(p *pod, c *container, policy v1.RestartPolicy) int {
	pause := firstPause
	for {
		since := time.Now()
		code, err := k.once(p, c)
		p.change(func() {
			c.process, c.ready, c.started = nil, false, false
			if err != nil {
				c.state = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "CreateContainerError", Message: err.Error()}}
				return
			}
			end := &v1.ContainerStateTerminated{ExitCode: int32(code), Reason: "Completed", StartedAt: metav1.NewTime(since), FinishedAt: metav1.Now()}
			if code != 0 {
				end.Reason = "Error"
			}
			c.state = v1.ContainerState{Terminated: end}
		})
		if isClosed(c.stop) || err == nil && (policy == v1.RestartPolicyNever || policy == v1.RestartPolicyOnFailure && code == 0) {
			return code
		}
		if err != nil || time.Since(since) > steady { // an error may pass: what it names may come later
			pause = firstPause
		}
		select {
		case <-c.stop:
			return code
		case <-time.After(pause):
		}
		pause = min(2*pause, longPause)
		p.change(func() {
			if c.state.Terminated != nil {
				c.last = c.state
				c.restarts++
			}
		})
	}
}

// once starts the process and waits for its end.
func (k *kubelet) once(p *pod, c *container) (int, error) {
	l, err := k.launchOf(p, c)
	if err != nil {
		return 0, err
	}
	text, err := json.Marshal(l)
	if err != nil {
		return 0, err
	}
	told := l.Root + ".json"
	if err := os.WriteFile(told, text, 0o600); err != nil {
		return 0, err
	}
	log, err := newLog(p.logFile(c.Name, c.restarts))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe", "container", told)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = time.Second // what it started in the background may hold its output
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID, Setsid: true}
	cgroup, err := k.enter(p, c, cmd.SysProcAttr)
	if err != nil {
		return 0, err
	}
	process, err := start(cmd)
	cgroup.Close()
	if err != nil {
		return 0, err
	}
	defer os.Remove(k.cgroupOf(p, c))
	p.change(func() {
		c.process, c.environment, c.privileges = process, l.Env, l.Privileges
		c.state = v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: metav1.Now()}}
		c.started = c.StartupProbe == nil
		c.ready = c.started && c.ReadinessProbe == nil
	})
	if c.Lifecycle != nil && c.Lifecycle.PostStart != nil {
		go k.hook(p, c, c.Lifecycle.PostStart)
	}
	ill := make(chan string, 1)
	go k.probe(p, c, process, ill)
	select {
	case <-process.done:
		return process.code, nil
	case <-ill:
	case <-c.stop:
		if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
			k.hook(p, c, c.Lifecycle.PreStop)
		}
	}
	process.signal(syscall.SIGTERM)
	select {
	case <-process.done:
	case <-time.After(p.grace()):
		process.signal(syscall.SIGKILL)
		<-process.done
	}
	return process.code, nil
}

func (k *kubelet) launchOf(p *pod, c *container) (*launch, error) {
	image, ok := k.images[imageName(c.Image)]
	if !ok {
		return nil, fmt.Errorf("image %s stands for no command", c.Image)
	}
	environment, byName, err := k.environment(p, c.Container, &image)
	if err != nil {
		return nil, err
	}
	privileges, err := privilegesOf(p.Spec.SecurityContext, c.SecurityContext, image.User)
	if err != nil {
		return nil, err
	}
	l := &launch{Pause: p.sandbox.process.pid(), HostNetwork: p.Spec.HostNetwork, Root: filepath.Join(p.directory, "root-"+c.Name),
		Directory: "/", Env: environment, Privileges: privileges, Mounts: p.ownFiles()}
	for _, word := range image.words(c.Command, c.Args) {
		l.Args = append(l.Args, expansion.Expand(word, expansion.MappingFuncFor(byName)))
	}
	if len(l.Args) == 0 {
		return nil, fmt.Errorf("container %s has no command", c.Name)
	}
	for path, from := range image.Files {
		l.Mounts = append(l.Mounts, mount{From: from, To: path})
	}
	if c.WorkingDir != "" {
		l.Directory = c.WorkingDir
	}
	if s := c.SecurityContext; s != nil && s.ReadOnlyRootFilesystem != nil {
		l.ReadOnlyRoot = *s.ReadOnlyRootFilesystem
	}
	for _, m := range c.VolumeMounts {
		part := m.SubPath
		if m.SubPathExpr != "" {
			part = expansion.Expand(m.SubPathExpr, expansion.MappingFuncFor(byName))
		}
		from := filepath.Join(p.volumes[m.Name], part)
		if _, err := os.Stat(from); os.IsNotExist(err) {
			if err := os.MkdirAll(from, 0o755); err != nil {
				return nil, err
			}
			if err := p.own(from, 0o755); err != nil {
				return nil, err
			}
		}
		l.Mounts = append(l.Mounts, mount{From: from, To: m.MountPath, ReadOnly: m.ReadOnly})
	}
	return l, os.MkdirAll(l.Root, 0o755)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
