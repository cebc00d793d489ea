package main

import (
	"fmt"
	"log"

	"google.golang.org/protobuf/encoding/protowire"
)

// raw leaves messages as they are: decoding all of them costs more than what is measured.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (raw) Unmarshal(data []byte, message any) error {
	into, ok := message.(*[]byte)
	if !ok {
		return fmt.Errorf("expected a place for bytes, found %T", message)
	}
	*into = data
	return nil
}

// Field numbers of envoy.service.discovery.v3 follow.

type deltaRequest struct {
	// By encodeNode.
	node    []byte
	typeURL string
	names   []string
	// By appendVersions.
	versions []byte
	nonce    []byte
}

// appendVersions encodes initial_resource_versions.
func appendVersions(out []byte, versions map[string]string) []byte {
	for name, version := range versions {
		out = protowire.AppendTag(out, 5, protowire.BytesType)
		out = protowire.AppendBytes(out, appendText(appendText(nil, 1, name), 2, version))
	}
	return out
}

func encodeDelta(request deltaRequest) []byte {
	out := appendNode(nil, 1, request.node)
	out = appendText(out, 2, request.typeURL)
	for _, name := range request.names {
		out = appendText(out, 3, name)
	}
	out = append(out, request.versions...)
	return appendText(out, 6, string(request.nonce))
}

type sotwRequest struct {
	// By encodeNode.
	node           []byte
	typeURL        string
	names          []string
	version, nonce []byte
}

func encodeSotw(request sotwRequest) []byte {
	out := appendText(nil, 1, string(request.version))
	out = appendNode(out, 2, request.node)
	for _, name := range request.names {
		out = appendText(out, 3, name)
	}
	out = appendText(out, 4, request.typeURL)
	return appendText(out, 5, string(request.nonce))
}

// encodeNode makes an envoy.config.core.v3.Node. Its metadata is a google.protobuf.Struct; labels are a Struct in it.
func encodeNode(id string, labels map[string]string) []byte {
	node := appendText(nil, 1, id)
	if len(labels) == 0 {
		return node
	}
	var fields []byte
	for key, value := range labels {
		fields = appendMessage(fields, 1, appendMessage(appendText(nil, 1, key), 2, appendText(nil, 3, value)))
	}
	value := appendMessage(nil, 5, fields)
	return appendMessage(node, 3, appendMessage(nil, 1, appendMessage(appendText(nil, 1, "labels"), 2, value)))
}

func appendNode(out []byte, field protowire.Number, node []byte) []byte {
	if node == nil {
		return out
	}
	return appendMessage(out, field, node)
}

func appendMessage(out []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, field, protowire.BytesType), message)
}

func appendText(out []byte, field protowire.Number, text string) []byte {
	if text == "" {
		return out
	}
	return protowire.AppendString(protowire.AppendTag(out, field, protowire.BytesType), text)
}

func readDelta(message []byte, take func(name, version, value []byte)) (typeURL string, nonce []byte) {
	each(message, func(field protowire.Number, content []byte) {
		switch field {
		case 2:
			var name, version, value []byte
			each(content, func(field protowire.Number, content []byte) {
				switch field {
				case 1:
					version = content
				case 2:
					value = valueOf(content)
				case 3:
					name = content
				}
			})
			take(name, version, value)
		case 4:
			typeURL = string(content)
		case 5:
			nonce = content
		}
	})
	return typeURL, nonce
}

func readSotw(message []byte, take func(value []byte)) (version, nonce []byte) {
	each(message, func(field protowire.Number, content []byte) {
		switch field {
		case 1:
			version = content
		case 2:
			take(valueOf(content))
		case 5:
			nonce = content
		}
	})
	return version, nonce
}

// valueOf is what a google.protobuf.Any holds.
func valueOf(message []byte) (value []byte) {
	each(message, func(field protowire.Number, content []byte) {
		if field == 2 {
			value = content
		}
	})
	return value
}

// each calls with every field that has a length.
func each(message []byte, take func(field protowire.Number, content []byte)) {
	for len(message) > 0 {
		field, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			log.Fatalf("a response is malformed: %v", protowire.ParseError(size))
		}
		message = message[size:]
		if kind != protowire.BytesType {
			size = protowire.ConsumeFieldValue(field, kind, message)
		} else {
			var content []byte
			content, size = protowire.ConsumeBytes(message)
			if size >= 0 {
				take(field, content)
			}
		}
		if size < 0 {
			log.Fatalf("a response is malformed: %v", protowire.ParseError(size))
		}
		message = message[size:]
	}
}
