#!/bin/sh
# Installs npm's packages where they are missing or not those of the lock file, and builds the command.
set -eu
cd "$(dirname "$0")/.."
stamp=node_modules/.l7mp-installed
if ! cmp -s package-lock.json "$stamp"; then
  echo 'installing packages' >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  cp package-lock.json "$stamp"
fi
npm run --silent build >&2
