#!/usr/bin/env bash
# Installs what the tests need beside npm's packages: Debian packages (as root or by sudo), Python packages in .cache/venv, and
# programs that are built from Go modules in .cache/gobin.
set -euo pipefail
cd "$(dirname "$0")/.."

debian=(curl dnsmasq-base dnsutils iperf3 iproute2 man-db ncat nghttp2-client openssl python3 python3-venv sip-tester socat)
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

python=(grpcio grpcio-health-checking grpcio-reflection openapi-spec-validator prometheus_client websockets)
if ! [ -x .cache/venv/bin/python ]; then
  python3 -m venv .cache/venv
fi
for package in "${python[@]}"; do
  .cache/venv/bin/python -c "import importlib.metadata as m; m.version('$package')" 2>/dev/null ||
    .cache/venv/bin/pip install --quiet --disable-pip-version-check "$package"
done

# Built anew only where the versions in go.mod and go.sum have changed.
(
  cd test/gobin/etcd
  out=$(realpath -m ../../../.cache/gobin)
  stamp=$(cat go.mod go.sum | sha256sum)
  if ! [ -x "$out/etcd" ] || [ "$(cat "$out/etcd.stamp" 2>/dev/null)" != "$stamp" ]; then
    command -v go >/dev/null || { echo 'etcd is built with Go 1.26 or newer: install it' >&2; exit 1; }
    mkdir -p "$out"
    echo 'building etcd: some minutes' >&2
    CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w' -o "$out/etcd.new" \
      go.etcd.io/etcd/server/v3
    mv "$out/etcd.new" "$out/etcd"
    echo "$stamp" >"$out/etcd.stamp"
  fi
)
