// A cgroup of version 2 for each container, where this machine has them: by it the kernel tells a container's sockets from others.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const cgroupPrefix = "prockubelet-"

// ownCgroup makes the one above those of all containers; empty where the machine has none. What kubelets left that were killed is removed.
func ownCgroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		words := strings.Fields(line)
		if words[2] != "cgroup2" {
			continue
		}
		left, _ := filepath.Glob(filepath.Join(words[1], cgroupPrefix+"*"))
		for _, path := range left {
			if _, err := os.Stat("/proc/" + strings.TrimPrefix(filepath.Base(path), cgroupPrefix)); os.IsNotExist(err) {
				emptyCgroup(path)
			}
		}
		own := filepath.Join(words[1], fmt.Sprint(cgroupPrefix, os.Getpid()))
		if err := os.MkdirAll(own, 0o755); err != nil {
			log.Printf("containers have no cgroups: %v", err)
			return "", nil
		}
		return own, nil
	}
	return "", nil
}

// removeCgroup removes one with all below it.
func removeCgroup(path string) error {
	below, _ := filepath.Glob(filepath.Join(path, "*", "cgroup.procs"))
	for _, file := range below {
		_ = os.Remove(filepath.Dir(file))
	}
	return os.Remove(path)
}

// emptyCgroup ends all processes in it and removes it.
func emptyCgroup(path string) {
	if path == "" {
		return
	}
	_ = os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0)
	for deadline := time.Now().Add(2 * time.Second); removeCgroup(path) != nil && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

// enter has what starts with these attributes be in the container's cgroup; what it gives is closed after the start.
func (k *kubelet) enter(p *pod, c *container, attributes *syscall.SysProcAttr) (*os.File, error) {
	if k.cgroup == "" {
		return nil, nil
	}
	path := k.cgroupOf(p, c)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	attributes.UseCgroupFD, attributes.CgroupFD = true, int(file.Fd())
	return file, nil
}

func (k *kubelet) cgroupOf(p *pod, c *container) string {
	return filepath.Join(k.cgroup, string(p.UID)+"-"+c.Name)
}
