#!/bin/sh
# `npm start`: sets up, then runs a proxy with the quick-start configuration, or with the arguments that are given.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
if [ $# -gt 0 ]; then
  exec bin/l7mp proxy "$@"
fi
echo 'Try in another terminal:  echo hello | bin/l7mp pipe - ws://127.0.0.1:16000' >&2
exec bin/l7mp proxy --config examples/quick-start.yaml
