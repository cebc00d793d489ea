// The kubelet's own server, which the API server asks for logs, commands in containers, and connections to ports of pods.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// idle is how long a stream may be silent.
const idle = 10 * time.Minute

// serve starts it at the node's address, and gives its port.
func (k *kubelet) serve() int {
	address := net.IP(k.addresses[0].Addr().AsSlice())
	certificate, key, err := certutil.GenerateSelfSignedCertKey(k.node, []net.IP{address}, nil)
	must(err)
	pair, err := tls.X509KeyPair(certificate, key)
	must(err)
	listener, err := tls.Listen("tcp", net.JoinHostPort(address.String(), "0"), &tls.Config{Certificates: []tls.Certificate{pair}})
	must(err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.logs)
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", k.serveExec)
	mux.HandleFunc("/portForward/{namespace}/{pod}", k.servePortForward)
	go func() { log.Fatal(http.Serve(listener, mux)) }()
	return listener.Addr().(*net.TCPAddr).Port
}

// target finds what a request is about, or answers that there is none.
func (k *kubelet) target(w http.ResponseWriter, r *http.Request) (*pod, *container) {
	p := k.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil {
		http.Error(w, "no such pod", http.StatusNotFound)
		return nil, nil
	}
	for _, list := range [][]*container{p.containers, p.inits} {
		for _, c := range list {
			if c.Name == r.PathValue("container") {
				return p, c
			}
		}
	}
	http.Error(w, "no such container", http.StatusNotFound)
	return nil, nil
}

func (k *kubelet) serveExec(w http.ResponseWriter, r *http.Request) {
	p, c := k.target(w, r)
	if c == nil {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err == nil && options.TTY {
		err = fmt.Errorf("this kubelet has no terminals: leave out --tty")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, executor{k, p, c}, p.Name, string(p.UID), c.Name, r.URL.Query()["command"], options, idle, idle, remotecommand.SupportedStreamingProtocols)
}

type executor struct {
	kubelet   *kubelet
	pod       *pod
	container *container
}

func (e executor) ExecInContainer(ctx context.Context, _, _, _ string, command []string, in io.Reader, out, errors io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	return e.kubelet.exec(ctx, e.pod, e.container, command, in, out, errors)
}

// exec runs a command beside the container's process. Its error tells of an exit code that is not 0 (utilexec.ExitError).
func (k *kubelet) exec(ctx context.Context, p *pod, c *container, command []string, in io.Reader, out, errors io.Writer) error {
	p.mu.Lock()
	process, environment, user := c.process, c.environment, c.privileges
	p.mu.Unlock()
	if process == nil {
		return fmt.Errorf("container %s does not run", c.Name)
	}
	args := []string{"--target", strconv.Itoa(process.pid()), "--mount", "--pid", "--net", "--ipc", "--uts", "--root", "--wd",
		"--setuid", strconv.Itoa(user.User), "--setgid", strconv.Itoa(user.Group), "--"}
	cmd := exec.CommandContext(ctx, "nsenter", append(args, command...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = environment, out, errors, time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if in != nil { // not Stdin: the command may end before the input does
		to, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(to, in)
			to.Close()
		}()
	}
	cgroup, err := k.enter(p, c, cmd.SysProcAttr)
	if err != nil {
		return err
	}
	running, err := start(cmd)
	cgroup.Close()
	if err != nil {
		return err
	}
	<-running.done
	if running.code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("exit code %d", running.code), Code: running.code}
	}
	return nil
}

func (k *kubelet) servePortForward(w http.ResponseWriter, r *http.Request) {
	p := k.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil {
		http.Error(w, "no such pod", http.StatusNotFound)
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, forwarder{p}, p.Name, string(p.UID), options, idle, idle, portforward.SupportedProtocols)
}

type forwarder struct{ pod *pod }

func (f forwarder) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	connection, err := f.pod.dial(ctx, port)
	if err != nil {
		return err
	}
	defer connection.Close()
	go func() {
		_, _ = io.Copy(connection, stream)
		_ = connection.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, connection)
	return err
}

// dial connects to a port at the pod's own loopback address.
func (p *pod) dial(ctx context.Context, port int32) (connection net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, since it is in another network
		var ns netns.NsHandle
		if ns, err = netns.GetFromPid(p.sandbox.process.pid()); err != nil {
			return
		}
		defer ns.Close()
		if err = netns.Set(ns); err != nil {
			return
		}
		var d net.Dialer
		connection, err = d.DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	}()
	<-done
	return connection, err
}
