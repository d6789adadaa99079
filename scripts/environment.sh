# Sourced by the other scripts: a virtual environment in .venv that holds the project and its tools, made anew when pyproject.toml changes.
# Needs Python 3.11 or later with venv and pip, and nothing else. SLUICEGATE_PYTHON names another interpreter than the first that fits.

find_python() {
    local candidate
    for candidate in ${SLUICEGATE_PYTHON:-} python3.11 python3 python3.12 python3.13 python3.14 python; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: no Python 3.11 or later with its venv module was found; install one, or name it in SLUICEGATE_PYTHON" >&2
    return 1
}

set_up_environment() {
    local python wanted
    python=$(find_python) || return
    # The path is part of the stamp: an environment that was copied or moved with its checkout does not work.
    wanted=$("$python" - <<'PY'
import hashlib, os, sys
print(hashlib.sha256(open("pyproject.toml", "rb").read() + os.getcwd().encode() + sys.version.encode()).hexdigest())
PY
) || return
    if [ "$(cat .venv/stamp 2>/dev/null)" != "$wanted" ]; then
        echo "setting up .venv (about half a minute)" >&2
        "$python" -m venv --clear .venv || return
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip || return  # --group needs pip 25.1
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group test || return
        echo "$wanted" > .venv/stamp
    fi
    PATH="$PWD/.venv/bin:$PATH"
    export PATH
    unset PYTHONDONTWRITEBYTECODE  # hundreds of Pythons are started from here, and each would compile all of the source for itself
}
