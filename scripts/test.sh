#!/usr/bin/env bash
# Runs the whole test suite, in .venv, which is made if need be. Works from any folder; arguments go
# to pytest: scripts/test.sh tests/cli -x
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

environment test
cd "$root"
exec "$bin/python" -m pytest "$@"
