#!/bin/sh
# `npm run faults -- [--seconds N]`: the fault tests of the control plane for longer (default: 60 s each), with more proxies.
# Other arguments are mocha's.
set -eu
cd "$(dirname "$0")/.."
seconds=60
if [ "${1:-}" = --seconds ]; then
  seconds=${2:?'expected a number of seconds'}
  shift 2
fi
case $seconds in
'' | *[!0-9]* | 0) echo "--seconds: expected a number above 0, found \"$seconds\"" >&2 && exit 2 ;;
esac
scripts/setup.sh
scripts/setup-tests.sh
export L7MP_FAULT_SECONDS="$seconds"
exec npx mocha --no-config -n import=tsx/esm --require ./test/support/hooks.ts --slow 1000000 \
  'test/integration/controlplane/faults/*.test.ts' "$@"
