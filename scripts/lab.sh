#!/bin/sh
# Brings the servers and tools with which tests/lab/ is a phone, a laptop and servers in network namespaces. As root on
# Debian and Ubuntu they come from the distribution; elsewhere one message says what is missing. Ends with 0 where they
# are not there, since most tests do not need them; with CI set it ends with 1 where it should have brought them.
set -eu
cd "$(dirname "$0")/.."
say() { printf '%s\n' "$*" >&2; }

log=.cache/lab.log
mkdir -p .cache
# The names of packages that are missing; or, with another end than 0, why none would help.
missing() { .venv/bin/python -m tests.lab.start 2>$log; }

if ! packages=$(missing); then
    say "The lab's namespaces cannot be had here: $(tail -n 1 $log). Its tests are left out."
    exit 0
fi
[ -n "$packages" ] || exit 0

if command -v apt-get >/dev/null; then
    say "Installing" $packages "with apt-get, for the tests with a phone and servers in namespaces (once)."
    export DEBIAN_FRONTEND=noninteractive
    # Servers are installed to be started by the tests alone: none is to run beside them.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
        trap 'rm -f $policy' EXIT
    fi
    { apt-get -q update && apt-get -q install -y --no-install-recommends $packages; } >$log 2>&1 </dev/null || {
        say "apt-get could not install them; its last words (all in $log):"
        tail -n 5 $log | sed 's/^/    /' >&2
    }
    packages=$(missing) && [ -z "$packages" ] && exit 0
fi

say "The tests with a phone and servers in namespaces cannot run: they lack" $packages
say "(names of Debian's packages)."
[ -z "${CI:-}" ]
