#!/bin/sh
# `npm test`: sets up, then checks and tests everything. Arguments are mocha's.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
scripts/setup-tests.sh
if [ $# -gt 0 ]; then
  exec npx mocha "$@"
fi
exec npm run --silent all
