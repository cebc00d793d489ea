// prockubelet is a node whose pods are processes of this machine: each container an overlay of the root file system with the pod's
// volumes, each pod network, IPC and UTS namespaces of its own. It also stands for the scheduler (each pod comes here) and for a
// cloud's load balancers (services of that type get an address, to which kube-proxy does the rest).
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

type options struct {
	kubeconfig, node, directory, images string
	addresses                           prefixes // the node's own, one of each family; they are whole networks of one address
	pods, loadBalancers                 prefixes
	dns                                 string
	service                             string // where pods find the API server
}

// prefixes is one network of IPv4, or one of IPv4 and one of IPv6.
type prefixes []netip.Prefix

func (p *prefixes) String() string { return fmt.Sprint(*p) }

func (p *prefixes) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			return err
		}
		*p = append(*p, prefix)
	}
	return nil
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) == 3 {
		switch os.Args[1] {
		case "pause":
			must(pause(os.Args[2]))
		case "container":
			must(becomeContainer(os.Args[2]))
		}
	}
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "file")
	flag.StringVar(&o.node, "node", "node", "name of the node")
	flag.StringVar(&o.directory, "directory", "", "where pods have their files")
	flag.StringVar(&o.images, "images", "", "JSON file: image without registry and tag -> {command, args, user, files}")
	flag.StringVar(&o.dns, "dns", "", "name server of the pods")
	flag.StringVar(&o.service, "service", "", "host:port of the API server, as pods are told")
	flag.Var(&o.addresses, "addresses", "addresses of the node, as in 10.64.0.1/32,fd00::1/128")
	flag.Var(&o.pods, "pods", "networks of the pods' addresses")
	flag.Var(&o.loadBalancers, "load-balancers", "networks of the load balancers' addresses")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	must(err)
	config.QPS, config.Burst, config.ContentType = 200, 400, "application/vnd.kubernetes.protobuf"
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	run(ctx, &o, config)
}

func run(ctx context.Context, o *options, config *rest.Config) {
	client := kubernetes.NewForConfigOrDie(config)
	text, err := os.ReadFile(o.images)
	must(err)
	k := newKubelet(o, client)
	must(json.Unmarshal(text, &k.images))
	k.cgroup, err = ownCgroup()
	must(err)
	port := k.serve()
	k.register(ctx, port)
	k.schedule(ctx)
	k.watch(ctx)
	(&loadBalancers{client: client, pools: pools(o.loadBalancers)}).watch(ctx)
	fmt.Println("ready")
	<-ctx.Done()
	emptyCgroup(k.cgroup) // what is left dies with this process, and with it its namespaces
}
