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
	"syscall"
)

type options struct {
	address     string
	variant     string
	typeURL     string
	streams     int
	connections int
	slow        int
	names       int
	resources   int
}

// A command: `expect` sets the marker with which the value begins that is waited for, `disconnect` ends all streams,
// `connect` opens them anew with the versions that they have.
type command struct {
	Op     string `json:"op"`
	Marker string `json:"marker"`
}

func main() {
	var given options
	flag.StringVar(&given.address, "address", "", "of the server, as in 127.0.0.1:18000")
	flag.StringVar(&given.variant, "variant", "delta", "delta or sotw")
	flag.StringVar(&given.typeURL, "type-url", "", "of the resources")
	flag.IntVar(&given.streams, "streams", 1, "how many read and acknowledge")
	flag.IntVar(&given.connections, "connections", 0, "that they share; 0: one for each")
	flag.IntVar(&given.slow, "slow", 0, "how many streams beside them never read, each on a connection of its own")
	flag.IntVar(&given.names, "names", 0, "that each subscribes to; 0: the wildcard")
	flag.IntVar(&given.resources, "resources", 1, "that the server has")
	flag.Parse()
	if given.variant != "delta" && given.variant != "sotw" {
		log.Fatalf("expected the variant delta or sotw, found %q", given.variant)
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
