// xds-load is many xDS clients in one process: it opens streams, acknowledges whatever comes, and says when the last of
// them has seen what it was told to wait for. Commands come, and events go, as JSON objects, one a line; times are
// milliseconds of the Unix epoch.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"syscall"
)

type options struct {
	address     string
	variant     string
	typeURLs    []string
	labels      map[string]string
	streams     int
	connections int
	slow        int
	names       int
	resources   int
}

// A command: `expect` sets the marker that is in the value that is waited for, `disconnect` ends all streams,
// `connect` opens them anew with the versions that they have.
type command struct {
	Op     string `json:"op"`
	Marker string `json:"marker"`
}

func main() {
	var given options
	flag.StringVar(&given.address, "address", "", "of the server, as in 127.0.0.1:18000")
	flag.StringVar(&given.variant, "variant", "delta", "delta or sotw")
	flag.Func("type-url", "of the resources; several, as in a,b: delta, and the wildcard of each", func(text string) error {
		given.typeURLs = strings.Split(text, ",")
		return nil
	})
	flag.Func("labels", "in the metadata of nodes, as in a=b,c=d", func(text string) (err error) {
		given.labels, err = readLabels(text)
		return err
	})
	flag.IntVar(&given.streams, "streams", 1, "how many read and acknowledge")
	flag.IntVar(&given.connections, "connections", 0, "that they share; 0: one for each")
	flag.IntVar(&given.slow, "slow", 0, "how many streams beside them never read, each on a connection of its own")
	flag.IntVar(&given.names, "names", 0, "that each subscribes to; 0: the wildcard")
	flag.IntVar(&given.resources, "resources", 1, "that the server has, of all types together")
	flag.Parse()
	if given.variant != "delta" && given.variant != "sotw" {
		log.Fatalf("expected the variant delta or sotw, found %q", given.variant)
	}

	if len(given.typeURLs) != 1 && (given.variant != "delta" || given.names > 0) {
		log.Fatal("several type URLs go with delta and the wildcard")
	}

	fleet := newFleet(given)
	fleet.connect(false)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var given command
		if err := json.Unmarshal(lines.Bytes(), &given); err != nil {
			log.Fatalf("expected a command in JSON, found %q: %v", lines.Text(), err)
		}
		switch given.Op {
		case "expect":
			fleet.expect(given.Marker)
			say(map[string]any{"event": "expecting"})
		case "disconnect":
			fleet.disconnect()
			say(map[string]any{"event": "disconnected"})
		case "connect":
			say(map[string]any{"event": "connecting", "at": now()})
			fleet.connect(true)
		default:
			log.Fatalf("there is no command %q", given.Op)
		}
	}
}

func readLabels(text string) (map[string]string, error) {
	labels := make(map[string]string)
	for _, pair := range strings.Split(text, ",") {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("expected KEY=VALUE, found %q", pair)
		}
		labels[key] = value
	}
	return labels, nil
}

func say(event map[string]any) {
	line, err := json.Marshal(event)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

// cpuMs is what this process has used.
func cpuMs() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
}
