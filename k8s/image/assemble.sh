#!/bin/sh
# What of a built checkout an image holds, copied into a directory: the same from the same commit, to the last bit and time.
# The Dockerfiles run it, and so can anybody who has another way to make images.
#
# Usage, in the checkout, after `npm ci --ignore-scripts` and `npm run build`: k8s/image/assemble.sh DIRECTORY
set -eu
out=${1:?expected a directory}
[ -f dist/cli/main.js ] || { echo 'assemble.sh: expected a checkout that is built; run: npm run build' >&2; exit 1; }
: "${SOURCE_DATE_EPOCH:=0}"
umask 022
mkdir -p "$out"

# Packages that the command runs with. npm lists itself first; what belongs to other platforms isn't installed.
modules=$(npm ls --omit=dev --all --parseable | sed -n "s#^$PWD/##p" | sort -u)

archive="$out.tar"
printf '%s\n' bin dist proto ebpf/*.bpf.o k8s/manifests package.json LICENSE $modules |
  tar --create --file="$archive" --exclude='*.map' --exclude=.tsbuildinfo --exclude='*.d.ts' \
    --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    --files-from=-
tar --extract --file="$archive" --preserve-permissions --no-same-owner --directory="$out"
rm "$archive"
# The folders that tar has made on the way.
find "$out" -type d -exec touch --no-create --date="@$SOURCE_DATE_EPOCH" {} +
