#!/usr/bin/env bash
# Configures and builds one CMake preset: scripts/build.sh [PRESET] [NINJA TARGETS...]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
shift || true
echo "build: preset $preset"
cmake --preset "$preset" >"/tmp/stc-configure-$(id -u).log" 2>&1 ||
  { cat "/tmp/stc-configure-$(id -u).log" >&2; exit 1; }
cmake --build --preset "$preset" -- "$@"
