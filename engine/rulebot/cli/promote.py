"""`rulebot promote`: a bot's sessions on paper against what the account document demands before real money."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import clock_of, set_option
from rulebot.cli.output import echo
from rulebot.cli.store_options import STORE, print_json, reads_store
from rulebot.model.errors import MisuseError
from rulebot.model.money import dollars, signed_dollars
from rulebot.model.text import aligned, counted
from rulebot.store.place import Place, data_folder, shown_path
from rulebot.store.registry import run_store

if TYPE_CHECKING:
    from rulebot.documents.load_bots import SpecText
    from rulebot.promotion.promotion import Assessment, PaperEvidence
    from rulebot.promotion.sessions import BotSession
    from rulebot.spec.load import Loaded
    from rulebot.spec.nouns import AccountDocument

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("promote", short_help="Let a bot leave paper, if its sessions there show what is demanded.")
@click.argument("bots", nargs=-1, required=True, metavar="BOT|SPEC...")
@click.option("--account", type=_FILE, help="The account document (default: account.yaml in or next to specs/).")
@click.option(
    "--live-store", type=STORE, metavar="STORE", help="The store of live runs, which keeps promotions (a setting, too)."
)
@click.option("--settings", "settings_file", type=_FILE, help="The settings file (default: rulebot.toml).")
@click.option("--sim", is_flag=True, help="Count sessions at simulated gateways, for a simulated live account only.")
@set_option
@reads_store
@click.pass_context
def promote(
    ctx: click.Context,
    bots: tuple[str, ...],
    account: Path | None,
    live_store: Place | None,
    settings_file: Path | None,
    sim: bool,
    overrides: tuple[str, ...],
    store: Place | None,
    form: str,
) -> None:
    """Judge every session on paper of BOT (as it ran last) or SPEC (a file), and promote it if nothing falls short.

    The demands are 'live.require' of the account document. A promotion is bound to the text of the bot and to the live
    account, and is kept in the store of live runs; a changed spec needs a new one. Exit code 1 when any falls short.
    """
    from rulebot.cli.validate import parse_settings
    from rulebot.process.settings import folder_of, read_settings
    from rulebot.promotion.promotion import assess, keep, promotion, read_evidence

    path = run_store(store)
    evidence = read_evidence(path, simulated=sim)
    texts = _texts(bots, evidence, parse_settings(overrides), account)
    files = [Path(text.file) for text in texts]
    judge = _judge(account, files)
    document = judge.account
    assert document is not None
    assert document.live is not None
    folder = folder_of(settings_file, files)
    kept_in = live_store or read_settings(settings_file, folder, data_folder()).live_store
    at = evidence.at if sim and evidence.at is not None else clock_of(ctx).now()
    found = [assess(evidence, text.name, text.digest, document, at) for text in texts]
    met = {each.bot: promotion(evidence, each, document.live.account) for each in found if each.is_met}
    if met:
        keep(kept_in, at, met)
    if form == "json":
        print_json(_as_json(evidence, found, document, kept_in))
    else:
        for line in _lines(evidence, found, document, kept_in):
            echo(line)
        echo(f" judged by {judge.source.file}")
    ctx.exit(0 if len(met) == len(found) else 1)


def _texts(
    bots: tuple[str, ...], evidence: "PaperEvidence", overrides: dict[str, str], account: Path | None
) -> "list[SpecText]":
    """Return what is meant: the text a bot of the store ran under last, else the specs of a file or folder."""
    from rulebot.documents.load_bots import check_overrides, load_all_bots

    ran = evidence.paper.last_texts
    found = {name: ran[name] for name in bots if name in ran}
    files = [name for name in bots if name not in ran]
    if files:
        desk = load_all_bots(files, overrides, account)
        check_overrides(desk, overrides)
        found |= {text.name: text for text in desk.texts}
    elif overrides:
        raise MisuseError("--set is for specs; a bot is judged by the text it ran under")
    return [found[name] for name in sorted(found)]


def _judge(named: Path | None, specs: "list[Path]") -> "Loaded":
    """Return the account document that says what is demanded. Raises: MisuseError without one."""
    from rulebot.documents.load_bots import account_file_near

    found = account_file_near(named, specs)
    if found is None or found.account is None:
        raise MisuseError(
            "no account document was found: it says what a bot must show on paper",
            "name it with --account; docs/live.md has an example",
        )
    if found.account.live is None:
        raise MisuseError(
            f"the account document {found.source.file} has no 'live'",
            "it names the account with real money, and what is demanded before: docs/live.md has an example",
        )
    return found


# ---------------------------------------------------------------- for eyes


def _lines(
    evidence: "PaperEvidence", found: "list[Assessment]", document: "AccountDocument", kept_in: Place
) -> Iterator[str]:
    assert document.live is not None
    for each in found:
        yield from _bot_lines(evidence, each)
        yield f" {_outcome(each, document, kept_in)}"
        yield ""
    for text in _passed_over(evidence):
        yield f" {text}"
    yield f" store {shown_path(evidence.store)}"


def _bot_lines(evidence: "PaperEvidence", found: "Assessment") -> Iterator[str]:
    accounts = ", ".join(evidence.paper.accounts) or "none"
    world = ", simulated" if evidence.simulated else ""
    yield f" {found.bot}   text {found.digest[:8]}   paper account {accounts}{world}"
    if found.sessions:
        yield ""
        yield from aligned([_session_row(each) for each in found.sessions], right=frozenset((2,)), indent="  ")
    yield ""
    rows = [(each.name, each.found, each.demanded, each.short or "met") for each in found.judged]
    yield from aligned(rows, indent="  ")
    yield from _beside(found)


def _session_row(session: "BotSession") -> tuple[str, str, str, str]:
    said = [f"{counted(session.closed, 'trade')} closed"] if session.closed else []
    said += [session.missed] if session.missed else []
    return f"{session.date}", _judgement(session), signed_dollars(session.profit), "; ".join([*said, *session.faults])


def _judgement(session: "BotSession") -> str:
    if session.faults:
        return "not compliant"
    return "left out" if session.missed else "compliant"


def _beside(found: "Assessment") -> Iterator[str]:
    shown = found.figures
    closed = f"{counted(shown.trades, 'closed trade')}, net {signed_dollars(shown.net)}"
    yield f"  {closed}; all sessions {signed_dollars(shown.marked)}, what is open at its marks"
    if shown.in_shares:
        yield f"  {counted(shown.in_shares, 'trade')} ended in shares, which count at their settlement price"
    if shown.outstanding:
        yield f"  the commissions of {counted(shown.outstanding, 'trade')} are not reported yet, and not in the net"
    parts = [f"{shown.win_rate * 100:.1f} % won"] if shown.win_rate is not None else []
    parts += [f"{dollars(shown.expectancy)} a trade"] if shown.expectancy is not None else []
    parts += [f"{shown.expectancy_r:.2f} R a trade"] if shown.expectancy_r is not None else []
    parts += [f"Sharpe {shown.sharpe:.2f} +- {shown.sharpe_error:.2f}"] if shown.sharpe is not None else []
    if parts:
        yield f"  {'; '.join(parts)}"
    if found.others:
        others = counted(found.others, "session")
        yield f"  {others} under another text of {found.bot}: nothing of this one is shown by that"


def _outcome(found: "Assessment", document: "AccountDocument", kept_in: Place) -> str:
    from rulebot.promotion.promotion import valid_until

    assert document.live is not None
    if not found.is_met:
        count = sum(bool(each.short) for each in found.judged)
        short = [f"it falls short of {count} of {len(found.judged)} demands"] if count else []
        return f"{found.bot} is not promoted: {'; '.join([*short, *filter(None, [found.too_old])])}"
    last = found.figures.last
    assert last is not None
    until = valid_until(last, document.live.good_for)
    return f"{found.bot} is promoted for {document.live.account} until {until}, kept in {shown_path(kept_in)}"


def _passed_over(evidence: "PaperEvidence") -> Iterator[str]:
    why = {
        "simulated": "at a simulated gateway: real money asks for paper at a real one (with --sim they count)",
        "real": "at a real gateway: a simulated live account asks for simulated ones",
        "live": "with real money: that is not on paper",
        "observe": "that only observed: nothing was sent",
    }
    for kind, days in sorted(evidence.paper.passed_over.items()):
        yield f"not counted: {counted(len(days), 'session')} {why[kind]}"


# ---------------------------------------------------------------- for machines


def _as_json(
    evidence: "PaperEvidence", found: "list[Assessment]", document: "AccountDocument", kept_in: Place
) -> dict[str, Any]:
    assert document.live is not None
    return {
        "account": document.live.account,
        "simulated": evidence.simulated,
        "store": shown_path(evidence.store),
        "live_store": shown_path(kept_in),
        "passed_over": {kind: len(days) for kind, days in evidence.paper.passed_over.items()},
        "bots": [_bot_json(each) for each in found],
    }


def _bot_json(found: "Assessment") -> dict[str, Any]:
    from rulebot.record.codec import encode

    return {
        "bot": found.bot,
        "digest": found.digest,
        "promoted": found.is_met,
        "too_old": found.too_old,
        "sessions": [
            {
                "date": each.date.isoformat(),
                "judged": _judgement(each).replace(" ", "_"),
                "profit": str(each.profit),
                "closed": each.closed,
                "missed": each.missed,
                "faults": list(each.faults),
            }
            for each in found.sessions
        ],
        "figures": encode(found.figures),
        "demands": [
            {"name": each.name, "found": each.found, "demanded": each.demanded, "short": each.short}
            for each in found.judged
        ],
        "sessions_under_other_texts": found.others,
    }
