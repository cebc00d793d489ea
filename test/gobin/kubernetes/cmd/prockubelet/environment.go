// The variables of a container.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// environment gives the variables in order, and by name for $(NAME) in commands.
func (k *kubelet) environment(p *pod, c *v1.Container, image *image) (list []string, byName map[string]string, err error) {
	host, port, err := net.SplitHostPort(k.service)
	if err != nil {
		return nil, nil, err
	}
	byName = map[string]string{}
	put := func(name, value string) {
		if _, ok := byName[name]; !ok {
			list = append(list, name)
		}
		byName[name] = value
	}
	path := os.Getenv("PATH")
	if len(image.Command) > 0 { // what the image has, a container's own command finds
		path = filepath.Dir(image.Command[0]) + ":" + path
	}
	put("PATH", path)
	put("HOME", "/")
	put("HOSTNAME", p.hostname())
	put("KUBERNETES_SERVICE_HOST", host)
	put("KUBERNETES_SERVICE_PORT", port)
	put("KUBERNETES_SERVICE_PORT_HTTPS", port)
	for _, from := range c.EnvFrom {
		data, err := k.allOf(p, from)
		if err != nil {
			return nil, nil, err
		}
		for name, value := range data {
			put(from.Prefix+name, value)
		}
	}
	expand := expansion.MappingFuncFor(byName)
	for _, e := range c.Env {
		value := expansion.Expand(e.Value, expand)
		if e.ValueFrom != nil {
			found := false
			if value, found, err = k.valueFrom(p, c, e.ValueFrom); err != nil {
				return nil, nil, fmt.Errorf("variable %s: %w", e.Name, err)
			} else if !found {
				continue
			}
		}
		put(e.Name, value)
	}
	for i, name := range list {
		list[i] = name + "=" + byName[name]
	}
	return list, byName, nil
}

func (k *kubelet) allOf(p *pod, from v1.EnvFromSource) (map[string]string, error) {
	switch {
	case from.ConfigMapRef != nil:
		data, err := k.configMap(p.Namespace, from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		return texts(data), err
	case from.SecretRef != nil:
		data, err := k.secret(p.Namespace, from.SecretRef.Name, from.SecretRef.Optional)
		return texts(data), err
	}
	return nil, nil
}

func (k *kubelet) valueFrom(p *pod, c *v1.Container, from *v1.EnvVarSource) (value string, found bool, err error) {
	pick := func(data map[string][]byte, err error, key string, optional *bool) (string, bool, error) {
		value, ok := data[key]
		if err == nil && !ok && (optional == nil || !*optional) {
			err = fmt.Errorf("no key %s", key)
		}
		return string(value), ok, err
	}
	switch {
	case from.FieldRef != nil:
		value, err = p.field(from.FieldRef.FieldPath)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		data, err := k.configMap(p.Namespace, ref.Name, ref.Optional)
		return pick(data, err, ref.Key, ref.Optional)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		data, err := k.secret(p.Namespace, ref.Name, ref.Optional)
		return pick(data, err, ref.Key, ref.Optional)
	case from.ResourceFieldRef != nil:
		value, err = resource.ExtractContainerResourceValue(from.ResourceFieldRef, c)
		return value, true, err
	}
	return "", false, fmt.Errorf("expected fieldRef, resourceFieldRef, configMapKeyRef or secretKeyRef")
}

func texts(data map[string][]byte) map[string]string {
	out := map[string]string{}
	for key, value := range data {
		out[key] = string(value)
	}
	return out
}

func (k *kubelet) configMap(namespace, name string, optional *bool) (map[string][]byte, error) {
	object, err := k.client.CoreV1().ConfigMaps(namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return nil, unlessOptional(err, optional)
	}
	out := map[string][]byte{}
	for key, value := range object.BinaryData {
		out[key] = value
	}
	for key, value := range object.Data {
		out[key] = []byte(value)
	}
	return out, nil
}

func (k *kubelet) secret(namespace, name string, optional *bool) (map[string][]byte, error) {
	object, err := k.client.CoreV1().Secrets(namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return nil, unlessOptional(err, optional)
	}
	return object.Data, nil
}

func unlessOptional(err error, optional *bool) error {
	if errors.IsNotFound(err) && optional != nil && *optional {
		return nil
	}
	return err
}

// field is what a fieldRef names.
func (p *pod) field(path string) (string, error) {
	var addresses []string
	for _, a := range p.sandbox.addresses {
		addresses = append(addresses, a.String())
	}
	switch path {
	case "spec.nodeName":
		return p.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return p.Spec.ServiceAccountName, nil
	case "status.podIP":
		return addresses[0], nil
	case "status.podIPs":
		return strings.Join(addresses, ","), nil
	case "status.hostIP", "status.hostIPs":
		return p.node, nil
	}
	return fieldpath.ExtractFieldPathAsString(p.Pod, path)
}
