// What the API server is told of a pod.
package main

import (
	"context"
	"encoding/json"
	"log"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// report writes the pod's status whenever it has changed, the last one for sure.
func (k *kubelet) report(p *pod) {
	for {
		select {
		case <-p.changed:
			for k.write(p) != nil {
				time.Sleep(again)
			}
		case <-p.ended:
			select {
			case <-p.changed:
				_ = k.write(p)
			default:
			}
			return
		}
	}
}

func (k *kubelet) write(p *pod) error {
	p.mu.Lock()
	status := p.status()
	p.mu.Unlock()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.UID}, "status": status})
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().Pods(p.Namespace).Patch(context.Background(), p.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	switch {
	case errors.IsNotFound(err) || errors.IsConflict(err): // no such pod any more, or another of its name
		return nil
	case errors.IsInvalid(err):
		log.Printf("status of %s/%s: %v", p.Namespace, p.Name, err)
		return nil
	}
	return err
}

// status is made under the pod's lock.
func (p *pod) status() v1.PodStatus {
	s := v1.PodStatus{Phase: p.phase, StartTime: &p.since, ObservedGeneration: p.Generation, HostIP: p.node, HostIPs: []v1.HostIP{{IP: p.node}}}
	if p.sandbox != nil {
		for _, a := range p.sandbox.addresses {
			s.PodIPs = append(s.PodIPs, v1.PodIP{IP: a.String()})
		}
		s.PodIP = p.address()
	}
	isReady := p.phase == v1.PodRunning
	add := func(c *container) v1.ContainerStatus {
		return v1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: c.Image, ContainerID: "process://" + string(p.UID) + "/" + c.Name,
			Ready: c.ready, Started: &c.started, RestartCount: c.restarts, State: c.state, LastTerminationState: c.last}
	}
	for _, c := range p.inits {
		s.InitContainerStatuses = append(s.InitContainerStatuses, add(c))
		isReady = isReady && c.ready
	}
	for _, c := range p.containers {
		s.ContainerStatuses = append(s.ContainerStatuses, add(c))
		isReady = isReady && c.ready
	}
	p.condition(&s, v1.PodScheduled, true, "", "")
	p.condition(&s, v1.PodReadyToStartContainers, p.message == "" && p.sandbox != nil, "", p.message)
	p.condition(&s, v1.PodInitialized, p.isInit, "ContainersNotInitialized", "")
	p.condition(&s, v1.ContainersReady, isReady, "ContainersNotReady", "")
	p.condition(&s, v1.PodReady, isReady, "ContainersNotReady", "")
	return s
}

func (p *pod) condition(s *v1.PodStatus, kind v1.PodConditionType, isTrue bool, reason, message string) {
	c := v1.PodCondition{Type: kind, Status: v1.ConditionTrue, LastTransitionTime: metav1.Now(), ObservedGeneration: p.Generation}
	if !isTrue {
		c.Status, c.Reason, c.Message = v1.ConditionFalse, reason, message
	}
	if before, ok := p.transitions[kind]; ok && before.Status == c.Status {
		c.LastTransitionTime = before.LastTransitionTime
	}
	p.transitions[kind] = c
	s.Conditions = append(s.Conditions, c)
}

// address is the one that the pod is known by.
func (p *pod) address() string { return p.sandbox.addresses[0].String() }
