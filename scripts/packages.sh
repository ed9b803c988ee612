#!/usr/bin/env bash
# Installs the Debian packages stc needs; does nothing when all of them are there.
# Usage: scripts/packages.sh [tests]    tests: also what tests alone need
set -euo pipefail

packages=(
  build-essential cmake ninja-build ccache git ca-certificates python3 python3-numpy
  clang-22 lld-22 llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools liblld-22-dev
  libclang-rt-22-dev zlib1g-dev libzstd-dev libffi-dev libxml2-dev
  libabsl-dev libsimdjson-dev nlohmann-json3-dev libpcre2-dev libutf8proc-dev libxxhash-dev libopenblas-serial-dev
  libpng-dev libjpeg62-turbo-dev libevent-dev
  libgtest-dev libgmock-dev
)
if [ "${1:-}" = tests ]; then
  packages+=(qemu-user pocl-opencl-icd ocl-icd-libopencl1 llvm-spirv-15 llvm-14-dev spirv-tools)
fi

missing=()
for package in "${packages[@]}"; do
  if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
    missing+=("$package")
  fi
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "packages: all ${#packages[@]} installed"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "error: installing packages needs root or sudo" >&2; exit 1; }
  as_root=(sudo)
fi
echo "packages: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
