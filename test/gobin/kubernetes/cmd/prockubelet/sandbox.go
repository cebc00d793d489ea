// A pod's namespaces: held by a process that waits, so that they are gone with it, however it ends.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
)

type sandbox struct {
	addresses []netip.Addr
	pools     []*pool // where they came from; none: the node's own
	process   *process
}

// gateway is what pods have as the next hop of IPv6: the node's end of each veth has it.
var gateway = netip.MustParseAddr("fe80::1")

// newSandbox makes the namespaces of a pod. Its address is its own network: what it sends always goes through the node, where
// services are translated in both directions.
func (k *kubelet) newSandbox(spec *v1.PodSpec, hostname string) (s *sandbox, err error) {
	s = &sandbox{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	flags := uintptr(unix.CLONE_NEWIPC | unix.CLONE_NEWUTS)
	if spec.HostNetwork {
		for _, p := range k.addresses {
			s.addresses = append(s.addresses, p.Addr())
		}
	} else {
		flags |= unix.CLONE_NEWNET
		for _, p := range k.pools {
			a, err := p.take()
			if err != nil {
				return s, err
			}
			s.addresses, s.pools = append(s.addresses, a), append(s.pools, p)
		}
	}
	cmd := exec.Command("/proc/self/exe", "pause", hostname)
	cmd.Env = []string{} // the sysctls, and nothing of this process
	if spec.SecurityContext != nil {
		for _, c := range spec.SecurityContext.Sysctls {
			cmd.Env = append(cmd.Env, c.Name+"="+c.Value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Setsid: true}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return s, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	if s.process, err = start(cmd); err != nil {
		return s, err
	}
	if !spec.HostNetwork {
		if err := k.connect(s); err != nil {
			return s, err
		}
	}
	in.Close() // the network is there
	answer, _ := bufio.NewReader(out).ReadString('\n')
	if answer != "ready\n" {
		return s, fmt.Errorf("expected the sysctls of the pod to be set, found: %s", strings.TrimSpace(answer))
	}
	return s, nil
}

// pause is what the process does that holds the namespaces. It sets the sysctls once the network is there.
func pause(hostname string) error {
	if err := unix.Sethostname([]byte(hostname)); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		if err := os.WriteFile(filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/")), []byte(value), 0); err != nil {
			fmt.Printf("%s: %v\n", name, err)
			return err
		}
	}
	fmt.Println("ready")
	for {
		_ = unix.Pause()
	}
}

// connect joins the pod's network with the node's.
func (k *kubelet) connect(s *sandbox) error {
	pid := s.process.pid()
	name := fmt.Sprintf("pod%d", pid)
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "eth0", PeerNamespace: netlink.NsPid(pid)}); err != nil {
		return fmt.Errorf("veth: %w", err)
	}
	here, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return err
	}
	defer ns.Close()
	pod, err := netlink.NewHandleAt(ns)
	if err != nil {
		return err
	}
	defer pod.Close()
	there, err := pod.LinkByName("eth0")
	if err != nil {
		return err
	}
	lo, err := pod.LinkByName("lo")
	if err != nil {
		return err
	}
	at, out := here.Attrs().Index, there.Attrs().Index
	steps := []func() error{
		func() error { return netlink.LinkSetUp(here) },
		func() error { return pod.LinkSetUp(lo) },
		func() error { return pod.LinkSetUp(there) },
	}
	for i, a := range s.addresses {
		hop := k.addresses[i].Addr()
		if a.Is6() {
			hop = gateway
			steps = append(steps, func() error { return netlink.AddrAdd(here, addressOf(hop)) })
		}
		steps = append(steps,
			func() error { return netlink.RouteAdd(&netlink.Route{LinkIndex: at, Dst: network(a)}) },
			func() error { return pod.AddrAdd(there, addressOf(a)) },
			func() error {
				return pod.RouteAdd(&netlink.Route{LinkIndex: out, Gw: hop.AsSlice(), Flags: int(netlink.FLAG_ONLINK)})
			})
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("network of the pod, step %d: %w", i, err)
		}
	}
	return nil
}

func network(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

func addressOf(a netip.Addr) *netlink.Addr {
	out := &netlink.Addr{IPNet: network(a)}
	if a.Is6() {
		out.Flags = unix.IFA_F_NODAD
	}
	return out
}

func (s *sandbox) close() {
	if s.process != nil {
		s.process.signal(syscall.SIGKILL)
		<-s.process.done
	}
	for i, p := range s.pools {
		p.give(s.addresses[i])
	}
}
