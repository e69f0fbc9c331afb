"""What a run with real money would be refused for: promotions, the account document, the account."""

from collections.abc import Iterator
from datetime import datetime

from rulebot.adapters.ib.greeting import Greeting
from rulebot.doctor.finding import Finding, Group, fault, fine, outage
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.errors import StoreError
from rulebot.preview.read_only_session import coming_session
from rulebot.process.settings import Settings
from rulebot.promotion.admission import AdmissionRequest, missing
from rulebot.promotion.promotion import read_live_store


def admission(
    desk: LoadedBots, settings: Settings, where: str, offered: Greeting | None, at: datetime
) -> Iterator[Finding]:
    """Yield all that `run --live` would find missing, but that a person has to confirm the account."""
    rules = None if desk.account is None else desk.account.live
    account = "" if rules is None else rules.account
    try:
        store = read_live_store(
            settings.live_store, account, simulated=offered is not None and offered.is_simulated, verifies=False
        )
    except StoreError as error:
        yield outage(Group.LIVE, "promotions", error)
        return
    asked = AdmissionRequest(
        digests=desk.digests,
        document=desk.account,
        where=where,
        offered=offered,
        unreachable="",
        store=store,
        today=coming_session(at if offered is None or offered.told_at is None else offered.told_at).date,
        confirmed=None,
    )
    found = missing(asked)
    for text in found:
        yield fault(Group.LIVE, "admission", text, "docs/live.md has the way from paper to real money")
    if not found:
        yield fine(Group.LIVE, "admission", "nothing is missing; a person confirms the account at the start")
