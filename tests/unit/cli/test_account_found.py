"""Which account document a run finds, and the built-in limits of one that finds none."""

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hand_desk import Desk, put, text_of

from rulebot.cli.validate import problems_in
from rulebot.core.program import BUILT_IN
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.errors import RulebotError
from rulebot.model.event import AccountReport
from rulebot.model.facts import Account
from rulebot.spec.files import find_files, shipped
from rulebot.spec.nouns import PromotionEvidence

ACCOUNT = "rulebot_account: 1\nabout: x\naccount: DU1234567\nrisk: {max_open: 1}\n"
DAY = date(2026, 11, 18)


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "specs"
    folder.mkdir()
    shutil.copy(shipped("specs/put_lite.yaml"), folder)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize("place", ["specs/account.yaml", "account.yaml"])
@pytest.mark.parametrize("named", ["specs", "specs/put_lite.yaml", "specs/*.yaml"])
def test_one_in_or_beside_the_folder_counts(specs: Path, place: str, named: str) -> None:
    Path(place).write_text(ACCOUNT)
    desk = load_all_bots([named], {}, None)
    assert (desk.account_file, list(desk.bots)) == (place, ["put_lite"])
    assert (desk.limits().max_open, desk.limits().max_structures_per_order) == (1, None)


def test_one_in_and_one_beside_it_are_refused_unless_one_is_named(specs: Path) -> None:
    for place in ("specs/account.yaml", "account.yaml"):
        Path(place).write_text(ACCOUNT)
    with pytest.raises(RulebotError, match="both apply to these specs"):
        load_all_bots(["specs/put_lite.yaml"], {}, None)
    assert load_all_bots(["specs/put_lite.yaml"], {}, Path("account.yaml")).account_file == "account.yaml"


def test_the_shipped_one_goes_with_the_shipped_bots() -> None:
    desk = load_all_bots([str(shipped("specs"))], {}, None)
    assert desk.account is not None
    assert "account" not in desk.bots


@pytest.mark.parametrize(
    ("risk", "backing"),
    [("{max_open: 1}", PromotionEvidence.CASH), ("{cash_secured_puts: ignore}", None)],
)
def test_short_puts_need_cash_unless_the_document_ignores_it(
    specs: Path, risk: str, backing: PromotionEvidence | None
) -> None:
    assert load_all_bots(["specs"], {}, None).limits() == BUILT_IN
    (specs / "account.yaml").write_text(ACCOUNT.replace("{max_open: 1}", risk))
    assert load_all_bots(["specs"], {}, None).limits().cash_secured_puts is backing


def refused(quantity: int) -> str:
    """Return why an entry of so many put spreads is refused under the built-in limits, "" when it is sent."""
    desk = Desk((text_of(quantity=str(quantity), risk="{max_loss_per_trade: $900000}"),), limits=BUILT_IN)
    desk.send(AccountReport(desk.now, Account(net_liquidation=Decimal(10**6), cash=Decimal(10**6))))
    desk.until("10:00")
    return "" if desk.submitted else desk.state.bots.by_name["spread"].status_text


def test_ten_structures_are_sent_and_eleven_are_not() -> None:
    assert refused(10) == ""
    assert refused(11) == (
        "an order of 11 structures, the built-in cap is 10: "
        "an account document (account.yaml) sets its own limits instead"
    )


def test_an_order_over_the_built_in_notional_is_refused() -> None:
    """Six contracts of strikes near 5,940 are 3.56 million a structure."""
    legs = """
  expiry: {dte: 0}
  short_put: {sell: put, ratio: 3, strike: {delta: 0.10}}
  long_put: {buy: put, ratio: 3, strike: {below: short_put, by: 10 pts}}
"""
    desk = Desk((text_of(quantity="8", legs=legs, risk="{max_loss_per_trade: $900000}"),), limits=BUILT_IN)
    desk.send(AccountReport(desk.now, Account(net_liquidation=Decimal(1_000_000))))
    desk.until("10:00")
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text.startswith("an order over $28,")
    assert "the built-in cap is $25,000,000.00: an account document" in desk.state.bots.by_name["spread"].status_text


def test_a_short_put_without_cash_for_its_shares_is_refused() -> None:
    legs = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.10}}\n"
    desk = Desk((text_of(legs=legs, risk="{undefined_risk: allow}"),), limits=BUILT_IN)
    desk.send(AccountReport(desk.now, Account(net_liquidation=Decimal(10**6), cash=Decimal(500_000))))
    desk.until("10:00")
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == (
        f"the short puts of all bots need ${put(5945).strike * 100:,.2f}, cash_secured_puts has $500,000.00"
    )


@pytest.mark.parametrize(
    ("quantity", "is_reported"), [("10", False), ("11", True), ("{max_loss: 50x net_liquidation, at_most: 40}", True)]
)
def test_validate_warns_of_a_size_that_the_cap_refuses(specs: Path, quantity: str, is_reported: bool) -> None:
    spec = specs / "put_lite.yaml"
    lines = spec.read_text().splitlines()
    spec.write_text("\n".join(sized(line, quantity) for line in lines) + "\n")

    def codes() -> list[str]:
        found = problems_in(find_files(["specs"]), {}, DAY)
        return [each.code for problems in found.values() for each in problems if each.code == "RB377"]

    assert codes() == ["RB377"] * is_reported
    (specs / "account.yaml").write_text(ACCOUNT)
    assert codes() == []


def sized(line: str, quantity: str) -> str:
    """Return the line of the underlying with a quantity below it, and none for one that there was."""
    if line.startswith("quantity:"):
        return ""
    return f"{line}\nquantity: {quantity}" if line.startswith("underlying:") else line
