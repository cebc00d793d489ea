// What stands for an image: a command of this machine.
package main

import (
	"encoding/json"
	"strings"
)

type image struct {
	Command []string `json:"command"` // empty: the container's own command is one of this machine
	User    int64    `json:"user"`
}

func (i *image) UnmarshalJSON(text []byte) error {
	if text[0] == '[' {
		return json.Unmarshal(text, &i.Command)
	}
	type plain image
	return json.Unmarshal(text, (*plain)(i))
}

// imageName is the name without tag and digest.
func imageName(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if i := strings.LastIndexByte(reference, ':'); i > strings.LastIndexByte(reference, '/') {
		return reference[:i]
	}
	return reference
}
