#!/usr/bin/env bash
# Builds the kernel's programs: `scripts/build-ebpf.sh` writes ebpf/*.bpf.o, which are committed; with --check it compares
# them with what is built. Another clang makes other code: this very version counts (Debian 12's).
set -euo pipefail
cd "$(dirname "$0")/../ebpf"
clang=clang-14
command -v $clang >/dev/null || { echo "ebpf: expected $clang, found none: run scripts/setup-tests.sh" >&2; exit 1; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for source in *.bpf.c; do
  object=${source%.c}.o
  # No debugging information, no name of the compiler: the same bytes wherever it is built.
  $clang -target bpfel -mcpu=v3 -O2 -Wall -Wextra -Werror -Wno-unused-variable -Wno-unused-function \
    -nostdinc -fno-ident -c "$source" -o "$out/$object"
  if [ "${1:-}" != --check ]; then
    cp "$out/$object" "$object"
  elif ! cmp -s "$out/$object" "$object"; then
    echo "ebpf/$object is stale: run scripts/build-ebpf.sh" >&2
    exit 1
  fi
done
