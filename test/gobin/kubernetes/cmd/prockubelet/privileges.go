// The user and the capabilities of a container, as its and its pod's securityContext say.
package main

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
)

type privileges struct {
	User, Group     int
	Groups          []int
	Capabilities    []int // those that may be had; nil: all of them
	NoNewPrivileges bool
}

// What containers have unless they are told otherwise, as with containerd.
var usual = []string{"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
	"NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"}

// In the order of linux/capability.h.
var capabilities = []string{"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
	"SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG",
	"MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
	"BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"}

// privilegesOf refuses what a kubelet refuses: a container that must not be root and would be.
func privilegesOf(pod *v1.PodSecurityContext, container *v1.SecurityContext, user int64) (privileges, error) {
	p := privileges{User: int(user), Group: int(user)}
	if pod == nil {
		pod = &v1.PodSecurityContext{}
	}
	if container == nil {
		container = &v1.SecurityContext{}
	}
	if id := first(container.RunAsUser, pod.RunAsUser); id != nil {
		p.User, p.Group = int(*id), 0 // the group of a user that the image does not know is root's
	}
	if id := first(container.RunAsGroup, pod.RunAsGroup); id != nil {
		p.Group = int(*id)
	}
	for _, g := range pod.SupplementalGroups {
		p.Groups = append(p.Groups, int(g))
	}
	if pod.FSGroup != nil {
		p.Groups = append(p.Groups, int(*pod.FSGroup))
	}
	if must := first(container.RunAsNonRoot, pod.RunAsNonRoot); must != nil && *must && p.User == 0 {
		return p, fmt.Errorf("container has runAsNonRoot and image will run as root")
	}
	p.NoNewPrivileges = container.AllowPrivilegeEscalation != nil && !*container.AllowPrivilegeEscalation
	if container.Privileged != nil && *container.Privileged {
		return p, nil
	}
	kept := map[string]bool{}
	for _, name := range usual {
		kept[name] = true
	}
	if c := container.Capabilities; c != nil {
		change(kept, c.Drop, false)
		change(kept, c.Add, true)
	}
	p.Capabilities = []int{}
	for i, name := range capabilities {
		if kept[name] {
			p.Capabilities = append(p.Capabilities, i)
		}
	}
	return p, nil
}

func change(kept map[string]bool, names []v1.Capability, to bool) {
	for _, c := range names {
		name := strings.TrimPrefix(strings.ToUpper(string(c)), "CAP_")
		if name != "ALL" {
			kept[name] = to
			continue
		}
		for _, each := range capabilities {
			kept[each] = to
		}
	}
}

func first[T any](choices ...*T) *T {
	for _, c := range choices {
		if c != nil {
			return c
		}
	}
	return nil
}

// drop is for good: what the calling thread runs next has no more than these.
func (p *privileges) drop() error {
	if p.Capabilities != nil {
		kept := map[int]bool{}
		for _, c := range p.Capabilities {
			kept[c] = true
		}
		for c := range capabilities {
			if kept[c] {
				continue
			}
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && err != unix.EINVAL { // older kernels have fewer
				return fmt.Errorf("capability %s: %w", capabilities[c], err)
			}
		}
	}
	if p.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	if err := unix.Setgroups(p.Groups); err != nil {
		return err
	}
	if err := unix.Setresgid(p.Group, p.Group, p.Group); err != nil {
		return err
	}
	return unix.Setresuid(p.User, p.User, p.User)
}
