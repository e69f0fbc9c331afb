#!/usr/bin/env bash
# Paper with the page, in one line: deploy/run_paper.sh [SPECS...] [options of 'rulebot serve']
# Without SPECS: the shipped ones. TWS or IB Gateway is waited for; Ctrl+C ends it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rulebot=$root/.venv/bin/rulebot
[[ -x $rulebot ]] || rulebot=$(command -v rulebot) || {
    printf 'rulebot is not installed: python3 -m venv .venv && .venv/bin/pip install -e ".[web]" in %s\n' "$root" >&2
    exit 3
}
(($# > 0)) || set -- "$root/specs"
exec "$rulebot" serve --paper --wait-for-gateway "$@"
