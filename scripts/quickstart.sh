#!/usr/bin/env bash
# From a bare Debian 12 machine to generated text: packages, build, compile examples/books, run.
# Usage: scripts/quickstart.sh [PROMPT]
set -euo pipefail
cd "$(dirname "$0")/.."
prompt=${1:-"It was a dark night, and the captain"}

scripts/packages.sh
scripts/build.sh release stc stc-model-runtime
mkdir -p build/examples

echo
echo "\$ stc compile examples/books -o build/examples/books --prune 6:8 --quantize int8"
build/release/bin/stc compile examples/books -o build/examples/books --prune 6:8 --quantize int8
echo
echo "\$ build/examples/books run -p \"$prompt\" -n 80 --seed 7"
build/examples/books run -p "$prompt" -n 80 --seed 7
echo
echo "The model is one file: build/examples/books ($(stat -c %s build/examples/books) bytes)."
