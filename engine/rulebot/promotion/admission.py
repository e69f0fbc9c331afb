"""`rulebot run --live`: everything that a run with real money must have, and what of it is missing, all at once."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from rulebot.adapters.ib.greeting import Greeting
from rulebot.adapters.ib.trouble import is_paper
from rulebot.model.errors import RulebotError
from rulebot.model.values import dataclass
from rulebot.promotion.figures import compare
from rulebot.promotion.promotion import LiveStore, Promotion, worn_out
from rulebot.spec.nouns.account import AccountDocument, LiveRules

SHOWN_DIGITS = 8


class NotAdmittedError(RulebotError):
    """A run that may not trade real money as it stands."""

    exit_code = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRequest:
    """What a live run was asked for. digests: of its bots by name, none when only exits are watched. today: its first
    session.

    document: None without one. offered: None when `unreachable` says why nobody answered. confirmed: what
    `--yes-i-mean` says, None when a person will be asked at the terminal, "" when nobody can be.
    """

    digests: Mapping[str, str]
    document: AccountDocument | None
    where: str
    offered: Greeting | None
    unreachable: str
    store: LiveStore
    today: date
    confirmed: str | None


def missing(asked: AdmissionRequest) -> list[str]:
    """Return what is missing, a sentence each; nothing when the run may trade once it is confirmed."""
    document = asked.document
    live = None if document is None else document.live
    if live is None:
        no_rules = "no account document was found" if document is None else "the account document has no 'live'"
        rules = f"{no_rules}: 'live' names the account with real money, and what a bot must show on paper before"
        unknown = (_never(bot) for bot in sorted(asked.digests) if bot not in asked.store.promotions)
        return [rules, *_unreachable(asked), *_paper_only(asked), *unknown, *_unconfirmed(asked, "")]
    return [
        *_unreachable(asked),
        *_not_offered(asked, live.account),
        *((asked.store.problem,) if asked.store.problem else ()),
        *unpromoted(asked.digests, live, asked.store, asked.today, simulated=_is_simulated(asked)),
        *_unconfirmed(asked, live.account),
    ]


def refusal(found: Sequence[str], store: object, held: int) -> NotAdmittedError:
    """Return the error that says all that is missing. held: open positions in the live store."""
    count = "1 thing is" if len(found) == 1 else f"{len(found)} things are"
    lines = [f"--live is refused, {count} missing:", *(f"  - {text}" for text in found)]
    if held:
        positions = "1 position is" if held == 1 else f"{held} positions are"
        lines += [
            f"  {positions} open in {store}, and no exit of it is watched while no engine runs:",
            "  --exits-only watches them without promotions, 'rulebot kill --flatten' closes them without any of this",
        ]
    return NotAdmittedError("\n".join(lines), "docs/live.md has the way from paper to real money")


def _unreachable(asked: AdmissionRequest) -> Iterator[str]:
    if asked.unreachable:
        yield asked.unreachable


def _paper_only(asked: AdmissionRequest) -> Iterator[str]:
    if asked.offered is not None and all(is_paper(account) for account in asked.offered.accounts):
        yield f"{asked.where} has no account with real money, only {', '.join(asked.offered.accounts)}: of paper"


def _not_offered(asked: AdmissionRequest, account: str) -> Iterator[str]:
    if asked.offered is None or account in asked.offered.accounts:
        return
    if all(is_paper(each) for each in asked.offered.accounts):
        yield from _paper_only(asked)
    else:
        yield f"account {account} is not behind {asked.where}; there is {', '.join(asked.offered.accounts)}"


def _is_simulated(asked: AdmissionRequest) -> bool:
    return asked.offered is not None and asked.offered.is_simulated


def unpromoted(
    digests: Mapping[str, str], live: LiveRules, store: LiveStore, today: date, *, simulated: bool
) -> list[str]:
    """Return what the promotions in a live store lack for bots under these texts, a sentence each."""
    if store.problem:
        return []
    found = (_lacks(bot, digest, live, store, today, simulated) for bot, digest in sorted(digests.items()))
    return [text for each in found for text in each]


def _lacks(bot: str, digest: str, live: LiveRules, store: LiveStore, today: date, is_simulated: bool) -> Iterator[str]:
    all_of_bot = store.promotions.get(bot, ())
    of_world = [each for each in all_of_bot if each.simulated is is_simulated and each.account == live.account]
    of_text = [each for each in of_world if each.digest == digest]
    if of_text:
        yield from _worn_out(bot, live, today, of_text[-1])
    elif of_world:
        yield (
            f"{bot} was promoted with another text ({_short(of_world[-1].digest)}, this one is {_short(digest)}): "
            "a changed spec shows itself on paper and is promoted anew"
        )
    elif all_of_bot and all_of_bot[-1].simulated is not is_simulated:
        worlds = (
            "real money needs sessions at a real gateway" if not is_simulated else "this gateway is a simulated one"
        )
        earned = "a simulated" if all_of_bot[-1].simulated else "a real"
        yield f"{bot} was promoted by sessions at {earned} gateway: {worlds}"
    elif all_of_bot:
        yield f"{bot} was promoted for account {all_of_bot[-1].account}, not for {live.account}"
    else:
        yield _never(bot)


def _never(bot: str) -> str:
    return f"{bot} is not promoted: 'rulebot promote {bot}' judges its sessions on paper"


def _worn_out(bot: str, live: LiveRules, today: date, found: Promotion) -> Iterator[str]:
    if since := worn_out(found.figures, live.good_for, today):
        yield f"the promotion of {bot} is too old: {since}"
    for each in compare(found.figures, live.require):
        if each.short:
            yield (
                f"{bot} was promoted with {each.name} {each.found}, and {each.demanded} is demanded now: {each.short}"
            )


def _unconfirmed(asked: AdmissionRequest, account: str) -> Iterator[str]:
    if asked.confirmed == "":
        yield "nobody at a terminal can confirm it: add --yes-i-mean " + (account or "ACCOUNT")
    elif asked.confirmed is not None and account and asked.confirmed != account:
        yield f"--yes-i-mean says {asked.confirmed}, the account document {account}"


def _short(digest: str) -> str:
    return digest[:SHOWN_DIGITS]
