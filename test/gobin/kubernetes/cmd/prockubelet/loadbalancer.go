// What a cloud does for services of type LoadBalancer: each gets addresses, in its status. kube-proxy takes what comes there to pods.
package main

import (
	"context"
	"log"
	"net/netip"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

type loadBalancers struct {
	client kubernetes.Interface
	pools  []*pool

	mu   sync.Mutex
	held map[types.UID][]netip.Addr
}

func (l *loadBalancers) watch(ctx context.Context) {
	l.held = map[types.UID][]netip.Addr{}
	factory := informers.NewSharedInformerFactory(l.client, 5*time.Second)
	_, err := factory.Core().V1().Services().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { l.sync(ctx, o.(*v1.Service)) },
		UpdateFunc: func(_, o any) { l.sync(ctx, o.(*v1.Service)) },
		DeleteFunc: func(o any) {
			if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = last.Obj
			}
			l.release(o.(*v1.Service).UID)
		},
	})
	must(err)
	factory.Start(ctx.Done())
}

func (l *loadBalancers) sync(ctx context.Context, s *v1.Service) {
	wanted := []v1.LoadBalancerIngress{}
	if s.Spec.Type == v1.ServiceTypeLoadBalancer && s.Spec.LoadBalancerClass == nil && s.DeletionTimestamp == nil {
		for _, a := range l.of(s) {
			wanted = append(wanted, v1.LoadBalancerIngress{IP: a.String(), IPMode: new(v1.LoadBalancerIPModeVIP)})
		}
	} else {
		l.release(s.UID)
	}
	if s.Spec.LoadBalancerClass != nil || slices.EqualFunc(wanted, s.Status.LoadBalancer.Ingress, func(a, b v1.LoadBalancerIngress) bool { return a.IP == b.IP }) {
		return
	}
	changed := s.DeepCopy()
	changed.Status.LoadBalancer.Ingress = wanted
	_, err := l.client.CoreV1().Services(s.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if err != nil && !errors.IsConflict(err) && !errors.IsNotFound(err) {
		log.Printf("load balancer of %s/%s: %v", s.Namespace, s.Name, err) // again with the next look
	}
}

// of gives the service's addresses, one of each of its families: those that it had, or asks for, or the next ones.
func (l *loadBalancers) of(s *v1.Service) []netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held, ok := l.held[s.UID]; ok {
		return held
	}
	asked := []string{s.Spec.LoadBalancerIP}
	for _, i := range s.Status.LoadBalancer.Ingress {
		asked = append(asked, i.IP)
	}
	var out []netip.Addr
	for _, family := range s.Spec.IPFamilies {
		for _, p := range l.pools {
			if p.prefix.Addr().Is6() != (family == v1.IPv6Protocol) {
				continue
			}
			a, err := p.takeOneOf(asked)
			if err != nil {
				log.Printf("load balancer of %s/%s: %v", s.Namespace, s.Name, err)
				continue
			}
			out = append(out, a)
		}
	}
	l.held[s.UID] = out
	return out
}

func (p *pool) takeOneOf(asked []string) (netip.Addr, error) {
	for _, text := range asked {
		if a, err := netip.ParseAddr(text); err == nil && p.claim(a) {
			return a, nil
		}
	}
	return p.take()
}

func (l *loadBalancers) release(service types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.held[service] {
		for _, p := range l.pools {
			p.give(a)
		}
	}
	delete(l.held, service)
}
