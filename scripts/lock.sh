#!/usr/bin/env bash
# Writes requirements*.txt anew from requirements*.in: the newest versions that fit, each with its hashes.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python -m pip install -qq --disable-pip-version-check uv

lock() {
    local name=$1
    shift
    .venv/bin/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --custom-compile-command "make lock" "$@" "$name.in" --output-file "$name.txt"
}

lock requirements
lock requirements-dev --constraint requirements.txt  # the versions that the server runs with
lock requirements-node
