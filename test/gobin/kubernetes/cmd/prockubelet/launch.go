// What turns a copy of this program into a container's process: the pod's namespaces, a root file system of its own, its user.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// launch is what the process is told, in a file.
type launch struct {
	Pause        int      // the process that holds the pod's namespaces
	HostNetwork  bool     // the node's network is the one that it is born in
	Root         string   // an empty directory
	Directory    string   // to start in
	Args, Env    []string // the program is found by its path
	Mounts       []mount
	Privileges   privileges
	ReadOnlyRoot bool
}

type mount struct {
	From, To string // To: inside
	ReadOnly bool
}

// becomeContainer does not return unless it fails. Its process is the first of new mount and process namespaces.
func becomeContainer(file string) error {
	runtime.LockOSThread() // namespaces and capabilities are those of the thread; exec makes it the process
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var l launch
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	if err := join(&l); err != nil {
		return err
	}
	if err := mountRoot(&l); err != nil {
		return err
	}
	if err := os.Chdir(l.Directory); err != nil {
		return err
	}
	program, err := exec.LookPath(l.Args[0])
	if err != nil {
		return err
	}
	if err := l.Privileges.drop(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", program, unix.Exec(program, l.Args, l.Env))
}

func join(l *launch) error {
	spaces := map[string]int{"ipc": unix.CLONE_NEWIPC, "uts": unix.CLONE_NEWUTS}
	if !l.HostNetwork {
		spaces["net"] = unix.CLONE_NEWNET
	}
	for name, flag := range spaces {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/%s", l.Pause, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Setns(fd, flag); err != nil {
			return fmt.Errorf("namespace %s of the pod: %w", name, err)
		}
	}
	return nil
}

// mountRoot enters an overlay of the root file system, where the volumes are.
func mountRoot(l *launch) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", l.Root, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	upper, work, root := l.Root+"/upper", l.Root+"/work", l.Root+"/root"
	for _, d := range []string{upper, work, root} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("overlay", root, "overlay", 0, fmt.Sprintf("lowerdir=/,upperdir=%s,workdir=%s", upper, work)); err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	if err := unix.Mount("/dev", root+"/dev", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", root+"/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := unix.Mount("sysfs", root+"/sys", "sysfs", 0, ""); err != nil { // of the pod's network
		return err
	}
	for _, d := range []string{"/sys/fs/cgroup", "/sys/fs/bpf"} {
		_ = unix.Mount(d, root+d, "", unix.MS_BIND|unix.MS_REC, "") // where this machine has them
	}
	from := make([]int, len(l.Mounts)) // opened out here, mounted in there: links such as /var/run lead elsewhere inside
	for i, m := range l.Mounts {
		fd, err := unix.Open(m.From, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("volume %s: %w", m.From, err)
		}
		from[i] = fd
	}
	if err := unix.Chroot(root); err != nil {
		return err
	}
	for i, m := range l.Mounts {
		if err := m.bind(fmt.Sprintf("/proc/self/fd/%d", from[i])); err != nil {
			return fmt.Errorf("volume at %s: %w", m.To, err)
		}
	}
	if l.ReadOnlyRoot {
		return unix.Mount("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	return nil
}

func (m *mount) bind(from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		if err := os.MkdirAll(m.To, 0o755); err != nil {
			return err
		}
	} else {
		if err := os.MkdirAll(filepath.Dir(m.To), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(m.To, os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		f.Close()
	}
	if err := unix.Mount(from, m.To, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if m.ReadOnly {
		return unix.Mount("", m.To, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	return nil
}
