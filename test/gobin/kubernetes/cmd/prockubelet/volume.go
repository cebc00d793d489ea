// The volumes of a pod: directories with the files that its spec asks for, kept as the API server has them.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	authentication "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refresh is how often the files are read again, as a kubelet does it every minute.
const refresh = 15 * time.Second

type file struct {
	data []byte
	mode os.FileMode
}

// files are the content of a volume, by path.
type files map[string]file

// volume gives the volume's directory. An error may pass: what it names may come later.
func (k *kubelet) volume(p *pod, v *v1.Volume) (string, error) {
	if v.HostPath != nil {
		return v.HostPath.Path, nil
	}
	directory := filepath.Join(p.directory, "volumes", v.Name)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", err
	}
	if v.EmptyDir != nil || v.VolumeSource == (v1.VolumeSource{}) {
		return directory, p.own(directory, 0o777)
	}
	content, err := k.content(p, &v.VolumeSource)
	if err != nil {
		return "", fmt.Errorf("volume %s: %w", v.Name, err)
	}
	return directory, p.write(directory, content)
}

func (k *kubelet) content(p *pod, v *v1.VolumeSource) (files, error) {
	out := files{}
	switch {
	case v.Secret != nil:
		data, err := k.secret(p.Namespace, v.Secret.SecretName, v.Secret.Optional)
		return out, out.add(data, err, v.Secret.Items, v.Secret.DefaultMode)
	case v.ConfigMap != nil:
		data, err := k.configMap(p.Namespace, v.ConfigMap.Name, v.ConfigMap.Optional)
		return out, out.add(data, err, v.ConfigMap.Items, v.ConfigMap.DefaultMode)
	case v.DownwardAPI != nil:
		return out, out.downward(p, v.DownwardAPI.Items, v.DownwardAPI.DefaultMode)
	case v.Projected != nil:
		for i := range v.Projected.Sources {
			if err := k.project(p, out, &v.Projected.Sources[i], v.Projected.DefaultMode); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("expected configMap, secret, projected, downwardAPI, emptyDir or hostPath")
}

func (k *kubelet) project(p *pod, out files, s *v1.VolumeProjection, mode *int32) error {
	switch {
	case s.Secret != nil:
		data, err := k.secret(p.Namespace, s.Secret.Name, s.Secret.Optional)
		return out.add(data, err, s.Secret.Items, mode)
	case s.ConfigMap != nil:
		data, err := k.configMap(p.Namespace, s.ConfigMap.Name, s.ConfigMap.Optional)
		return out.add(data, err, s.ConfigMap.Items, mode)
	case s.DownwardAPI != nil:
		return out.downward(p, s.DownwardAPI.Items, mode)
	case s.ServiceAccountToken != nil:
		token, err := k.token(p, s.ServiceAccountToken)
		out[s.ServiceAccountToken.Path] = file{[]byte(token), permissions(mode)}
		return err
	}
	return fmt.Errorf("expected secret, configMap, downwardAPI or serviceAccountToken")
}

func (f files) add(data map[string][]byte, err error, items []v1.KeyToPath, mode *int32) error {
	if err != nil {
		return err
	}
	if items == nil {
		for key := range data {
			items = append(items, v1.KeyToPath{Key: key, Path: key})
		}
	}
	for _, i := range items {
		value, ok := data[i.Key]
		if !ok {
			return fmt.Errorf("no key %s", i.Key)
		}
		f[i.Path] = file{value, permissions(first(i.Mode, mode))}
	}
	return nil
}

func (f files) downward(p *pod, items []v1.DownwardAPIVolumeFile, mode *int32) error {
	for _, i := range items {
		if i.FieldRef == nil {
			return fmt.Errorf("%s: expected a fieldRef", i.Path)
		}
		value, err := p.field(i.FieldRef.FieldPath)
		if err != nil {
			return err
		}
		f[i.Path] = file{[]byte(value), permissions(first(i.Mode, mode))}
	}
	return nil
}

func permissions(mode *int32) os.FileMode {
	if mode == nil {
		return 0o644
	}
	return os.FileMode(*mode)
}

// token gives one that is kept until a fifth of its time is left.
func (k *kubelet) token(p *pod, s *v1.ServiceAccountTokenProjection) (string, error) {
	if t, ok := p.tokens[s.Audience]; ok && time.Now().Before(t.renew) {
		return t.text, nil
	}
	request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{
		ExpirationSeconds: s.ExpirationSeconds,
		BoundObjectRef:    &authentication.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: p.Name, UID: p.UID},
	}}
	if s.Audience != "" {
		request.Spec.Audiences = []string{s.Audience}
	}
	now := time.Now()
	answer, err := k.client.CoreV1().ServiceAccounts(p.Namespace).CreateToken(context.Background(), p.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	lasts := answer.Status.ExpirationTimestamp.Sub(now)
	p.tokens[s.Audience] = token{answer.Status.Token, now.Add(lasts * 4 / 5)}
	return answer.Status.Token, nil
}

type token struct {
	text  string
	renew time.Time
}

// write replaces all files at once: each is a link into ..data, which is a link to the directory of what is current.
func (p *pod) write(directory string, content files) error {
	if p.isCurrent(directory, content) {
		return nil
	}
	current, err := os.MkdirTemp(directory, "..")
	if err != nil {
		return err
	}
	if err := p.own(current, 0o755); err != nil {
		return err
	}
	for path, f := range content {
		to := filepath.Join(current, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, f.data, f.mode); err != nil {
			return err
		}
		if err := p.own(to, f.mode); err != nil {
			return err
		}
	}
	before, _ := os.Readlink(filepath.Join(directory, "..data"))
	if err := link(filepath.Base(current), filepath.Join(directory, "..data")); err != nil {
		return err
	}
	tops, err := os.ReadDir(current)
	if err != nil {
		return err
	}
	for _, top := range tops {
		if err := link(filepath.Join("..data", top.Name()), filepath.Join(directory, top.Name())); err != nil {
			return err
		}
	}
	if before != "" {
		return os.RemoveAll(filepath.Join(directory, before))
	}
	return nil
}

func (p *pod) isCurrent(directory string, content files) bool {
	for path, f := range content {
		if found, err := os.ReadFile(filepath.Join(directory, "..data", path)); err != nil || string(found) != string(f.data) {
			return false
		}
	}
	_, err := os.Lstat(filepath.Join(directory, "..data"))
	return err == nil
}

func link(to, at string) error {
	if err := os.Symlink(to, at+".new"); err != nil {
		return err
	}
	return os.Rename(at+".new", at)
}

// own gives a file or directory to the group of the pod's volumes.
func (p *pod) own(path string, mode os.FileMode) error {
	if c := p.Spec.SecurityContext; c != nil && c.FSGroup != nil {
		if err := os.Chown(path, -1, int(*c.FSGroup)); err != nil {
			return err
		}
		mode |= mode & 0o700 >> 3
	}
	return os.Chmod(path, mode) // whatever the umask says
}

// keepVolumes brings what has changed in the API server into the files, until the pod ends.
func (k *kubelet) keepVolumes(p *pod) {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-tick.C:
			for i := range p.Spec.Volumes {
				_, _ = k.volume(p, &p.Spec.Volumes[i]) // next time
			}
		}
	}
}
