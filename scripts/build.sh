#!/bin/sh
# `npm run build`: the servers and the command to dist/, and the dashboard, which browsers load as it is there, to dist/dashboard.
set -eu
cd "$(dirname "$0")/.."
npx --no-install tsc -p tsconfig.build.json
npx --no-install tsc -p dashboard/tsconfig.json
cp dashboard/index.html dashboard/style.css dashboard/icon.svg dist/dashboard/
