#!/bin/sh
# Makes .venv what the locks say, on a machine that has only some Python 3: `setup.sh runtime` or `setup.sh dev`.
# Nothing is done when nothing changed since the last time. Nothing is put outside this folder but what uv and pip
# cache. Says on standard error what it does; ends with 1 and one message where it cannot go on.
#
# PYTHON=path picks the Python for .venv; otherwise the first of these that works is taken: python3.13 and
# python3.12 on the PATH, python3 where it is one of the two, pyenv's, and last of all one that uv fetches.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$root"
group=${1:-runtime}
venv=.venv
stamp=$venv/.lintas-setup
log=.cache/setup.log

say() { printf '%s\n' "$*" >&2; }

# --- what is there already? Only programs that every system has, so that this costs milliseconds.
sum=$(cat pyproject.toml requirements/*.txt scripts/setup.sh | cksum)
had='' was='' place='' from=''
if [ -f $stamp ]; then
    { read -r had && read -r was && read -r place && read -r from; } <$stamp || :
fi
# An environment cannot be moved: its programs name their Python by its path.
stands() { [ "$place" = "$root" ] && [ "${PYTHON:-$from}" = "$from" ] && [ -x $venv/bin/python ]; }
if stands && [ "$was" = "$sum" ] && { [ "$had" = dev ] || [ "$had" = "$group" ]; }; then
    exit 0
fi
# Who has the tests' libraries keeps them when only an audit is asked for.
[ "$had" = dev ] && group=dev

mkdir -p .cache
: >$log

fail() {
    say "lintas set-up: $*"
    if [ -s $log ]; then
        say "The last words of the tool that failed (all in $log):"
        tail -n 5 $log | sed 's/^/    /' >&2
    fi
    exit 1
}

# Every Python here that might do, best first; a name may stand for a shim that does not work.
pythons() {
    for name in python3.13 python3.12 python3; do
        command -v $name || :
    done
    for minor in 3.13 3.12; do
        for path in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/$minor.*/bin/python$minor; do
            [ -x "$path" ] && printf '%s\n' "$path"
        done | sort -t . -k 4 -n -r
    done
}

# Of our version, and whole: a Python that was compiled without headers at hand lacks some of these modules.
suits() {
    "$1" -c 'import ctypes, lzma, sqlite3, ssl, sys, zlib; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 14))' \
        >/dev/null 2>&1
}

# uv, of the version and hash in its lock, in a folder of its own. pip's --target needs no virtual environment and
# is let through where the distribution manages Python's packages itself.
bring_uv() {
    uv=.cache/uv/bin/uv
    uv_sum=$(cksum <requirements/uv.txt)
    [ -x $uv ] && [ "$(cat .cache/uv/lock 2>/dev/null)" = "$uv_sum" ] && return
    say "Fetching uv, which installs the rest (once)."
    rm -rf .cache/uv
    { pythons; command -v python || :; } >.cache/pythons
    with_pip=
    while IFS= read -r python; do
        "$python" -m pip --version >/dev/null 2>&1 || continue
        with_pip=$python
        if PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
            "$python" -m pip install --quiet --no-input --no-deps --require-hashes --target .cache/uv \
            -r requirements/uv.txt >>$log 2>&1 && $uv --version >>$log 2>&1; then
            printf '%s' "$uv_sum" >.cache/uv/lock
            return
        fi
        rm -rf .cache/uv
    done <.cache/pythons
    if uv=$(command -v uv); then
        say "pip could not bring uv; taking the one installed here ($uv)."
        return
    fi
    [ -s .cache/pythons ] || fail "no Python 3 was found. Install one with pip (Debian, Ubuntu: apt-get install" \
        "python3 python3-pip; macOS: brew install python@3.13) and run make again."
    [ -n "$with_pip" ] || fail "no Python here has pip, which brings uv. Install pip (Debian, Ubuntu: apt-get" \
        "install python3-pip; Fedora: dnf install python3-pip) or uv, and run make again."
    fail "pip could not install uv. Is the network reachable? Is pip older than 20.3 ($with_pip -m pip --version)?"
}

find_python() {
    if stands && suits $venv/bin/python; then
        python=$venv/bin/python
        return
    fi
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" || fail "PYTHON=$PYTHON is not a whole Python 3.12 or 3.13" \
            "(it needs ctypes, lzma, sqlite3, ssl and zlib)."
        python=$PYTHON
        return
    fi
    pythons >.cache/pythons
    while IFS= read -r python; do
        suits "$python" && return
    done <.cache/pythons
    say "No working Python 3.13 or 3.12 was found here; uv fetches one into .cache/python."
    UV_PYTHON_INSTALL_DIR=$root/.cache/python
    export UV_PYTHON_INSTALL_DIR
    if "$uv" python install --no-bin 3.13 >>$log 2>&1; then
        python=$("$uv" python find --managed-python 3.13 2>>$log) && suits "$python" && return
    fi
    fail "no working Python 3.13 or 3.12 was found, and uv could not fetch one. Install one (Debian 13, Ubuntu" \
        "24.04: apt-get install python3; macOS: brew install python@3.13; pyenv install 3.13) and run make again," \
        "or name it: make PYTHON=/path/to/python3.13 ..."
}

bring_uv
find_python

if [ $python != $venv/bin/python ]; then
    say "Setting up $venv with $("$python" --version), from $python."
    "$uv" venv --quiet --clear --no-project --python "$python" $venv >>$log 2>&1 || fail "$venv could not be made."
fi
rm -f $stamp
say "Installing $([ $group = dev ] && echo 'Lintas and what its tests need' || echo Lintas) into $venv."
"$uv" pip sync --quiet --python $venv/bin/python --require-hashes requirements/$group.txt >>$log 2>&1 ||
    fail "the packages could not be installed. Is the network reachable?"
"$uv" pip install --quiet --python $venv/bin/python --no-deps --build-constraints requirements/build.txt --editable . \
    >>$log 2>&1 || fail "Lintas itself could not be installed into $venv."
# Compiled once here: a start from source costs three times as much, and where Python is told to write no bytecode
# (PYTHONDONTWRITEBYTECODE, common in containers) each of them would. What is edited later is read from its source.
say "Compiling."
for place in "$($venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    lintas addons analysis reports; do
    # Some packages hold templates that are no Python; that they do not compile is no fault.
    $venv/bin/python -m compileall -q -q -j 0 "$place" >>$log 2>&1 || :
done
printf '%s\n' $group "$sum" "$root" "${PYTHON:-$from}" >$stamp
