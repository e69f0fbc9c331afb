#!/usr/bin/env bash
# Real money with the page, in one line: deploy/run_live.sh SPECS... [options of 'rulebot serve']
# It confirms nothing: you type the account's id, or give --yes-i-mean ACCOUNT yourself where nobody can type. What else
# --live needs (docs/live.md) rulebot checks, and names all that is missing.
set -euo pipefail

refuse() {
    printf 'run_live: %s\n' "$1" >&2
    exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rulebot=$root/.venv/bin/rulebot
[[ -x $rulebot ]] || rulebot=$(command -v rulebot) || {
    printf 'rulebot is not installed: python3 -m venv .venv && .venv/bin/pip install -e ".[web]" in %s\n' "$root" >&2
    exit 3
}
specs='' confirmed='' document='' previous=''
for word in "$@"; do
    case $previous in
        --account) document=$word ;;
        --yes-i-mean) confirmed=$word ;;
        --settings | --logs | --store | --gateway | --client-id) ;;
        *) if [[ -z $specs && -e $word ]]; then specs=$word; fi ;;
    esac
    case $word in
        --paper | --sim) refuse "$word is no real money: deploy/run_paper.sh" ;;
        --account=*) document=${word#*=} ;;
        --yes-i-mean=*) confirmed=${word#*=} ;;
    esac
    previous=$word
done
[[ -n $specs ]] || refuse 'name the specs of promoted bots: deploy/run_live.sh SPECS...'
# The account document is named, or lies beside the folder of the specs.
if [[ -z $document ]]; then
    folder=$specs
    [[ -d $specs ]] || folder=$(dirname "$specs")
    document=$folder/../account.yaml
fi
[[ -f $document ]] || refuse "there is no account document at $document: it names the live account and what is demanded (docs/live.md)"
grep -Eq '^live:' "$document" || refuse "$document has no 'live:', which names the account of real money (docs/live.md)"
if [[ -z $confirmed && ! -t 0 ]]; then
    refuse 'nobody can type the account id here: give --yes-i-mean ACCOUNT, or start it on a terminal'
fi
exec "$rulebot" serve --live "$@"
