#!/bin/sh
# Makes the locks again from pyproject.toml: every package by version and hash, for Python 3.12 and 3.13 on every
# system, without naming where it comes from. Run by `make lock`; with UPGRADE=1 everything goes to its newest.
set -eu
cd "$(dirname "$0")/.."
uv=.cache/uv/bin/uv
[ -n "${UPGRADE:-}" ] && upgrade=--upgrade || upgrade=

compile() {  # compile OUTPUT SOURCE... : one lock
    out=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-header --no-annotate \
        $upgrade --output-file "requirements/$out.txt" "$@"
}

compile runtime pyproject.toml
compile dev --constraint requirements/runtime.txt --group dev pyproject.toml
compile build requirements/build.in
compile fuzz requirements/fuzz.in
compile uv requirements/uv.in
