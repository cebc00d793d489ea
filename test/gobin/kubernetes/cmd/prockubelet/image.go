// What stands for an image: a command of this machine.
package main

import "strings"

type image struct {
	Command []string `json:"command"` // its entry point; empty: containers have commands of their own, of this machine
	Args    []string `json:"args"`    // of containers that have neither a command nor arguments
	User    int64    `json:"user"`

	Files map[string]string `json:"files"` // of its own, by path: where they are on this machine
}

// imageName is the name without registry, tag and digest.
func imageName(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if host, rest, ok := strings.Cut(reference, "/"); ok && strings.ContainsAny(host, ".:") {
		reference = rest
	}
	if i := strings.LastIndexByte(reference, ':'); i > strings.LastIndexByte(reference, '/') {
		return reference[:i]
	}
	return reference
}

// words is what a container runs that has these (the rules of Kubernetes' "Define a Command and Arguments for a Container").
func (i *image) words(command, args []string) []string {
	switch {
	case len(command) > 0:
		return append(append([]string{}, command...), args...)
	case len(args) > 0:
		return append(append([]string{}, i.Command...), args...)
	}
	return append(append([]string{}, i.Command...), i.Args...)
}
