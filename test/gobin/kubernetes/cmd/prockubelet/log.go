// The output of containers: each line in a file with its time, read again as `kubectl logs` asks.
package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

type logWriter struct {
	mu   sync.Mutex
	file *os.File
	rest []byte // a line that is not whole yet
}

// longest is how much of a line without end is held back.
const longest = 16 << 10

func newLog(path string) (*logWriter, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(path)
	return &logWriter{file: file}, err
}

func (l *logWriter) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now().UTC().Format(time.RFC3339Nano)
	l.rest = append(l.rest, text...)
	var out []byte
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok && len(line) < longest {
			break
		}
		out = append(append(append(append(out, now...), ' '), line...), '\n')
		l.rest = rest
	}
	if _, err := l.file.Write(out); err != nil {
		return 0, err
	}
	return len(text), nil
}

func (l *logWriter) Close() {
	if len(l.rest) > 0 {
		_, _ = l.Write([]byte("\n"))
	}
	l.file.Close()
}

func (k *kubelet) logs(w http.ResponseWriter, r *http.Request) {
	p, c := k.target(w, r)
	if c == nil {
		return
	}
	q := r.URL.Query()
	p.mu.Lock()
	restarts := c.restarts
	p.mu.Unlock()
	if q.Get("previous") == "true" {
		restarts--
	}
	file, err := os.Open(p.logFile(c.Name, restarts))
	if err != nil {
		http.Error(w, "expected a container that has started, found none", http.StatusNotFound)
		return
	}
	defer file.Close()
	if n, err := strconv.Atoi(q.Get("tailLines")); err == nil {
		if err := seekTail(file, n); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	since, _ := time.Parse(time.RFC3339, q.Get("sinceTime"))
	if s, err := strconv.Atoi(q.Get("sinceSeconds")); err == nil {
		since = time.Now().Add(-time.Duration(s) * time.Second)
	}
	left := int64(-1)
	if n, err := strconv.ParseInt(q.Get("limitBytes"), 10, 64); err == nil {
		left = n
	}
	lines := bufio.NewReader(file)
	for partial := ""; ; {
		text, err := lines.ReadString('\n')
		partial += text
		if err == nil {
			at, message, _ := strings.Cut(partial, " ")
			if q.Get("timestamps") == "true" {
				message = partial
			}
			partial = ""
			if t, err := time.Parse(time.RFC3339Nano, at); err == nil && t.Before(since) {
				continue
			}
			if left >= 0 && int64(len(message)) > left {
				message = message[:left]
			}
			left -= int64(len(message))
			if _, err := io.WriteString(w, message); err != nil || left == 0 {
				return
			}
			continue
		}
		p.mu.Lock()
		isOver := c.restarts != restarts || c.process == nil
		p.mu.Unlock()
		if q.Get("follow") != "true" || isOver {
			return
		}
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// seekTail goes to where the last n lines begin.
func seekTail(file *os.File, n int) error {
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	at := len(text)
	for range n + 1 {
		if at = bytes.LastIndexByte(text[:at], '\n'); at < 0 {
			break
		}
	}
	_, err = file.Seek(int64(at+1), io.SeekStart)
	return err
}
