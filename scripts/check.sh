#!/usr/bin/env bash
# Runs every check, also after one failed, and fails if any did: scripts/check.sh PACKAGE…
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
failed=()

check() {
    local name=$1
    shift
    printf '%s … ' "$name"
    if said=$("$@" 2>&1); then
        printf 'good\n'
    else
        printf 'bad\n%s\n' "$said"
        failed+=("$name")
    fi
}

python=.venv/bin/python
check "style" $python -m ruff check --no-fix .
check "format" $python -m ruff format --check .
check "types" $python -m mypy "$@"
check "imports" $python -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
check "dependencies" $python -m deptry --no-ansi .
check "documentation" $python -m sphinx -qEW --keep-going docs build/docs

if [ ${#failed[@]} -gt 0 ]; then
    printf 'Failed: %s\n' "${failed[*]}"
    exit 1
fi
printf 'All checks are good.\n'
