#!/bin/sh
# Brings headless Chromium and fonts, which the tests of the report look at it with. As root on Debian and Ubuntu
# both come from the distribution; elsewhere a Chromium or Chrome that is there is used, or one message says how to
# get one. Ends with 0 where there is none, since most tests do not need it; with CI set it ends with 1.
set -eu
cd "$(dirname "$0")/.."
say() { printf '%s\n' "$*" >&2; }

have_browser() { .venv/bin/python -m tests.chromium >/dev/null 2>&1; }
have_fonts() { ! command -v fc-list >/dev/null || [ -n "$(fc-list :lang=en family 2>/dev/null | head -n 1)" ]; }

have_browser && have_fonts && exit 0

log=.cache/browser.log
mkdir -p .cache
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    say "Installing Chromium and fonts with apt-get, for the tests of the report (once)."
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -q update && apt-get -q install -y --no-install-recommends \
        chromium fontconfig fonts-dejavu-core fonts-liberation; } >$log 2>&1 </dev/null || {
        say "apt-get could not install them; its last words (all in $log):"
        tail -n 5 $log | sed 's/^/    /' >&2
    }
    have_browser && exit 0
fi

say "Chromium is not here, so the tests that look at the report in a browser cannot run. To have them run, install"
say "chromium (Debian: sudo apt-get install chromium fonts-dejavu-core; macOS: brew install --cask chromium), run"
say ".venv/bin/playwright install chromium, or set LINTAS_CHROMIUM to the path of a Chromium or Chrome."
[ -z "${CI:-}" ]
