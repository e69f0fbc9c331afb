"""What `rulebot train` says of the trades that it learned from."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rulebot.cli.past.train import _own_models, report_lines
from rulebot.documents.load_bots import load_all_bots
from rulebot.train.fit import KindFigures, Report

EXAMPLES = Path(__file__).parents[3] / "examples"
AT = datetime(2025, 1, 2, 15, 30, tzinfo=UTC)
KIND = KindFigures(kind="logistic", auc=0.6, auc_error=0.04, brier=0.2, base=0.21)
REPORT = Report(
    samples=120,
    first=AT,
    last=AT,
    good=80,
    line=0.0,
    kind="logistic",
    kinds=(KIND,),
    folds=(),
    bands=(),
    weights=(),
    left_out=(),
)


def test_a_model_that_the_bot_enters_by_already_is_named() -> None:
    own = _own_models(load_all_bots([str(EXAMPLES / "learned.yaml")], {}, None))
    assert own == ["models/learned.json"]
    said = "\n".join(report_lines(REPORT, {}, own))
    assert "and that the bot's own models/learned.json let through" in said
    assert "let through" not in "\n".join(report_lines(REPORT, {}))


def test_trades_that_ended_in_shares_are_counted() -> None:
    said = "\n".join(report_lines(replace(REPORT, in_shares=7), {}))
    assert "7 of them ended in shares, assigned or exercised: the shares count at their settlement price" in said
    assert "in shares" not in "\n".join(report_lines(REPORT, {}))


def test_a_bot_without_a_model_has_none() -> None:
    assert _own_models(load_all_bots([str(EXAMPLES.parent / "specs" / "put_lite.yaml")], {}, None)) == []
