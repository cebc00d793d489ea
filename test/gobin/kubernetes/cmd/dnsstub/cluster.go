// The names of a cluster's services (the DNS specification of Kubernetes, version 1.1): addresses, headless services, external names,
// and SRV records of named ports.
package main

import (
	"net"
	"strings"

	"github.com/miekg/dns"
	v1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// ttl is short: tests move services about.
const ttl = 1

const domain = "svc.cluster.local."

type cluster struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

func newCluster(kubeconfig string) (*cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	c := &cluster{factory.Core().V1().Services().Lister(), factory.Discovery().V1().EndpointSlices().Lister()}
	factory.Start(nil)
	factory.WaitForCacheSync(nil)
	return c, nil
}

func (c *cluster) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	answer := new(dns.Msg)
	answer.SetReply(r)
	answer.Authoritative = true
	if len(r.Question) != 1 {
		answer.Rcode = dns.RcodeFormatError
	} else if found, ok := c.answer(r.Question[0]); ok {
		answer.Answer = found
	} else {
		answer.Rcode = dns.RcodeNameError
	}
	if w.RemoteAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if o := r.IsEdns0(); o != nil {
			size = int(o.UDPSize())
		}
		answer.Truncate(size)
	}
	_ = w.WriteMsg(answer)
}

// answer gives the records of a name, and whether there is such a name.
func (c *cluster) answer(q dns.Question) ([]dns.RR, bool) {
	rest, ok := strings.CutSuffix(strings.ToLower(q.Name), "."+domain)
	if !ok {
		return nil, false
	}
	words := strings.Split(rest, ".")
	if len(words) < 2 {
		return nil, false
	}
	name, namespace, before := words[len(words)-2], words[len(words)-1], words[:len(words)-2]
	service, err := c.services.Services(namespace).Get(name)
	if err != nil {
		return nil, false
	}
	header := func(kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: q.Name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
	}
	switch {
	case service.Spec.Type == v1.ServiceTypeExternalName && len(before) == 0:
		return []dns.RR{&dns.CNAME{Hdr: header(dns.TypeCNAME), Target: dns.Fqdn(service.Spec.ExternalName)}}, true
	case len(before) == 2 && strings.HasPrefix(before[0], "_"):
		target := name + "." + namespace + "." + domain
		for _, p := range service.Spec.Ports {
			if before[0] != "_"+p.Name || before[1] != "_"+strings.ToLower(string(p.Protocol)) {
				continue
			}
			if q.Qtype != dns.TypeSRV {
				return nil, true
			}
			return []dns.RR{&dns.SRV{Hdr: header(dns.TypeSRV), Weight: 100, Port: uint16(p.Port), Target: target}}, true
		}
		return nil, false
	}
	addresses := service.Spec.ClusterIPs
	if service.Spec.ClusterIP == v1.ClusterIPNone {
		addresses = c.endpoints(service, before)
		if len(addresses) == 0 && len(before) > 0 {
			return nil, false
		}
	} else if len(before) > 0 {
		return nil, false
	}
	var out []dns.RR
	for _, text := range addresses {
		ip := net.ParseIP(text)
		switch v4 := ip.To4(); {
		case v4 != nil && q.Qtype == dns.TypeA:
			out = append(out, &dns.A{Hdr: header(dns.TypeA), A: v4})
		case v4 == nil && q.Qtype == dns.TypeAAAA:
			out = append(out, &dns.AAAA{Hdr: header(dns.TypeAAAA), AAAA: ip})
		}
	}
	return out, true
}

// endpoints gives the addresses of a headless service's ready endpoints, or of the one that `before` names.
func (c *cluster) endpoints(service *v1.Service, before []string) (out []string) {
	of := labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: service.Name})
	found, _ := c.slices.EndpointSlices(service.Namespace).List(of)
	for _, slice := range found {
		for _, e := range slice.Endpoints {
			isReady := e.Conditions.Ready == nil || *e.Conditions.Ready || service.Spec.PublishNotReadyAddresses
			isMeant := len(before) == 0 || len(before) == 1 && e.Hostname != nil && *e.Hostname == before[0]
			if isReady && isMeant {
				out = append(out, e.Addresses...)
			}
		}
	}
	return out
}
