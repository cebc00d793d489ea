// The node: which pods are here, and who they are told apart by.
package main

import (
	"context"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// again is how long what failed waits for its next try, where that is the API server's or passes by itself.
const again = 300 * time.Millisecond

type kubelet struct {
	*options
	client kubernetes.Interface
	images map[string]image
	cgroup string // above those of the containers; empty: there are none
	pools  []*pool

	mu   sync.Mutex
	pods map[types.UID]*pod
}

func newKubelet(o *options, client kubernetes.Interface) *kubelet {
	return &kubelet{options: o, client: client, pools: pools(o.pods), images: map[string]image{}, pods: map[types.UID]*pod{}}
}

// register makes the Node, whose kubelet answers at this port.
func (k *kubelet) register(ctx context.Context, port int) {
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: k.node, Labels: map[string]string{"kubernetes.io/hostname": k.node, "kubernetes.io/os": "linux"}}}
	nodes := k.client.CoreV1().Nodes()
	if _, err := nodes.Create(ctx, node, metav1.CreateOptions{}); err != nil && !errors.IsAlreadyExists(err) {
		log.Fatal(err)
	}
	node, err := nodes.Get(ctx, k.node, metav1.GetOptions{})
	must(err)
	resources := v1.ResourceList{"cpu": resource.MustParse("64"), "memory": resource.MustParse("64Gi"), "pods": resource.MustParse("1000")}
	now := metav1.Now()
	node.Status = v1.NodeStatus{
		Capacity: resources, Allocatable: resources,
		DaemonEndpoints: v1.NodeDaemonEndpoints{KubeletEndpoint: v1.DaemonEndpoint{Port: int32(port)}},
		Conditions:      []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now}},
		Addresses:       []v1.NodeAddress{{Type: v1.NodeHostName, Address: k.node}},
	}
	for _, a := range k.addresses {
		node.Status.Addresses = append(node.Status.Addresses, v1.NodeAddress{Type: v1.NodeInternalIP, Address: a.Addr().String()})
	}
	_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
	must(err)
}

// schedule binds each pod that has no node yet to this one.
func (k *kubelet) schedule(ctx context.Context) {
	k.inform(ctx, "spec.nodeName=", func(p *v1.Pod, isGone bool) {
		if isGone || p.DeletionTimestamp != nil || len(p.Spec.SchedulingGates) > 0 {
			return
		}
		binding := &v1.Binding{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace, UID: p.UID}, Target: v1.ObjectReference{Kind: "Node", Name: k.node}}
		err := k.client.CoreV1().Pods(p.Namespace).Bind(ctx, binding, metav1.CreateOptions{})
		if err != nil && !errors.IsConflict(err) && !errors.IsNotFound(err) {
			log.Printf("binding %s/%s: %v", p.Namespace, p.Name, err)
		}
	})
}

// watch runs the pods that are bound to this node.
func (k *kubelet) watch(ctx context.Context) {
	k.inform(ctx, "spec.nodeName="+k.node, k.sync)
}

// inform tells of each pod that is new, has changed, or is gone, and of all of them every few seconds.
func (k *kubelet) inform(ctx context.Context, selector string, tell func(p *v1.Pod, isGone bool)) {
	source := cache.NewListWatchFromClient(k.client.CoreV1().RESTClient(), "pods", "", fields.ParseSelectorOrDie(selector))
	_, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: source, ObjectType: &v1.Pod{}, ResyncPeriod: 5 * time.Second,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { tell(o.(*v1.Pod), false) },
			UpdateFunc: func(_, o any) { tell(o.(*v1.Pod), false) },
			DeleteFunc: func(o any) {
				if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
					o = last.Obj
				}
				tell(o.(*v1.Pod), true)
			},
		},
	})
	go controller.RunWithContext(ctx)
}

func (k *kubelet) sync(object *v1.Pod, isGone bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.pods[object.UID]
	isOver := object.Status.Phase == v1.PodSucceeded || object.Status.Phase == v1.PodFailed
	switch {
	case p != nil && (isGone || object.DeletionTimestamp != nil):
		p.end(object.DeletionGracePeriodSeconds)
	case p == nil && !isGone && !isOver:
		p = newPod(object, filepath.Join(k.directory, string(object.UID)), k.addresses[0].Addr().String())
		if err := os.MkdirAll(p.directory, 0o755); err != nil {
			log.Fatal(err)
		}
		k.pods[object.UID] = p
		if object.DeletionTimestamp != nil {
			p.end(object.DeletionGracePeriodSeconds)
		}
		go k.run(p)
	case p == nil && !isGone && object.DeletionTimestamp != nil: // it ended before this kubelet was there
		go k.remove(object)
	}
}

// remove tells the API server that nothing of the pod runs any more.
func (k *kubelet) remove(p *v1.Pod) {
	now := int64(0)
	for {
		err := k.client.CoreV1().Pods(p.Namespace).Delete(context.Background(), p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &p.UID}})
		if err == nil || errors.IsNotFound(err) || errors.IsConflict(err) {
			return
		}
		time.Sleep(again)
	}
}

func (k *kubelet) find(namespace, name string) *pod {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pods {
		if p.Namespace == namespace && p.Name == name {
			return p
		}
	}
	return nil
}
