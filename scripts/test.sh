#!/usr/bin/env bash
# Installs, builds and runs every test: unit tests, lit tests and Python tests.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/packages.sh tests
scripts/build.sh release
echo "test: layering"
python3 scripts/check-includes.py
echo "test: unit tests, lit, end to end"
ctest --test-dir build/release --output-on-failure -j "$(nproc)"
