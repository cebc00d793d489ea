#!/bin/sh
# `npm start`: sets up, then runs a proxy with the arguments that are given; without any what the quick start needs.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
if [ $# -gt 0 ]; then
  exec bin/l7mp proxy "$@"
fi
exec scripts/quick-start.sh
