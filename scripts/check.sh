#!/bin/sh
# `npm run check`: what has to hold of the sources. The linter, which takes as long as the rest, runs beside it.
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT
npm run --silent lint >"$out" 2>&1 &
lint=$!
code=0
{
  npm run --silent format:check &&
    npm run --silent layers &&
    npm run --silent types &&
    npm run --silent generate:check
} || code=$?
wait "$lint" || code=$?
cat "$out"
exit "$code"
