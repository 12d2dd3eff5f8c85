# Makes the virtual environment .venv in the checkout, or brings it up to date; nothing else.
# For the other scripts: source it, then call `environment demo` or `environment test`.
# Sets `root`, the checkout, and `bin`, where the environment's programs are.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/.venv/bin

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "bioreco needs Python 3.11 or newer, which was not found on the PATH." >&2
    echo "Install it, or say where it is: PYTHON=/path/to/python3.11 $0" >&2
    return 1
}

environment() {
    local what=. stamp=$root/.venv/.bioreco wanted python
    if [ "$1" = test ]; then what='.[test]'; fi
    wanted=$(cat "$root/pyproject.toml" "$root/constraints.txt" | cksum)
    # what serves the tests serves the demo, too
    if [ -x "$bin/python" ] && grep -qsE "^($1|test) $wanted$" "$stamp"; then
        return
    fi
    python=$(find_python)
    echo "Preparing $root/.venv: this takes a few minutes the first time."
    if ! "$bin/python" -c 'import pip' 2>/dev/null && ! "$python" -m venv --clear "$root/.venv"; then
        echo "$python can't make virtual environments: on Debian, install python3-venv." >&2
        return 1
    fi
    # torch comes first and by itself, so that an installed build of it is kept
    (
        cd "$root"
        "$bin/python" -m pip install --quiet -c constraints.txt "$(grep '^torch==' constraints.txt)"
        "$bin/python" -m pip install --quiet -c constraints.txt -e "$what"
    )
    echo "$1 $wanted" >"$stamp"
}
