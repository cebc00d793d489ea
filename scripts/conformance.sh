#!/bin/sh
# `npm run conformance -- --help`: the conformance suite of Gateway API, against a real API server with pods as processes. Needs root.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
scripts/setup-tests.sh
exec npx tsx test/conformance/main.ts "$@"
