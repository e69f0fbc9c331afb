from decimal import Decimal
from pathlib import Path

import pytest

from rulebot.spec.exit_kinds import ExitKind
from rulebot.spec.files import shipped
from rulebot.spec.load import canonical, load_document, load_text
from rulebot.spec.nouns import (
    AccountDocument,
    Amount,
    Comparison,
    Confirm,
    Demand,
    Group,
    GroupKind,
    LiveRules,
    MeasureTest,
    Op,
    PromotionEvidence,
    Shown,
    StrikeBy,
    Unit,
)
from rulebot.spec.spec import OnUnfilled, Spec

VALID = (Path(__file__).parents[2] / "snapshot" / "defects" / "valid.yaml").read_text()
SHIPPED = [each for each in sorted(shipped("specs").glob("*.yaml")) if each.name != "account.yaml"]

NOUNS_IN_DIGESTS = {
    "Again",
    "Alternative",
    "Amount",
    "Comparison",
    "Condition",
    "Confirm",
    "Entry",
    "Exit",
    "Expiry",
    "ExpressionTest",
    "Group",
    "Growth",
    "Leg",
    "Legs",
    "Let",
    "MeasureTest",
    "Order",
    "Overwrite",
    "Protect",
    "Rank",
    "Risk",
    "Roll",
    "Size",
    "Spec",
    "Strike",
    "StrikeOf",
    "Universe",
    "Window",
    "Word",
}
"""What a digest calls the nouns of the shipped specs and examples: a name once given stays."""


def spec_of(text: str, overrides: dict[str, str] | None = None) -> Spec:
    loaded = load_text(text, "condor.yaml", overrides)
    assert loaded.spec is not None, loaded.diagnostics
    return loaded.spec


def codes_of(text: str, overrides: dict[str, str] | None = None) -> list[str]:
    return [found.code for found in load_text(text, "condor.yaml", overrides).diagnostics]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_specs_are_fine(file: Path) -> None:
    loaded = load_document(file)
    assert loaded.diagnostics == ()
    assert loaded.spec is not None
    assert loaded.spec.name == file.stem
    assert file.read_text().startswith("# yaml-language-server: $schema=../schemas/strategy.schema.json\n")


def test_these_specs_are_shipped() -> None:
    names = [file.stem for file in SHIPPED]
    first = ["calm_tape_condor", "dte0_condor", "micro_buywrite", "monthly_condor"]
    assert names == [*first, "put_lite", "spx_spy_parity", "spy_put_seller", "vertical_switch"]


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ('to: "13:30"', "to: open + 1000000h"),
        ('- time: "15:30"', "- time: close - 1000000h"),
        ("wait: 10s", "wait: 1000000h"),
        ("confirm: 2 quotes", "confirm: 1000000h"),
    ],
)
def test_a_time_or_duration_beyond_the_calendar_is_refused(written: str, instead: str) -> None:
    assert codes_of(VALID.replace(written, instead)) == ["RB152"]


def test_nouns_of_the_valid_spec() -> None:
    spec = spec_of(VALID)
    assert [leg.strike.by for leg in spec.legs.legs] == [
        StrikeBy.DELTA,
        StrikeBy.BELOW,
        StrikeBy.DELTA,
        StrikeBy.ABOVE,
    ]
    assert spec.legs.legs[1].strike.target == Decimal(10)
    assert spec.order.then is OnUnfilled.CANCEL
    assert [(exit.name, exit.kind) for exit in spec.exits] == [
        ("time", ExitKind.CONDITION),
        ("target", ExitKind.TARGET),
        ("stop", ExitKind.STOP),
    ]
    stop = spec.exits[2].condition
    assert stop is not None
    assert stop.confirm == Confirm(quotes=2)
    assert stop.test == MeasureTest(
        measure="cost",
        comparison=Comparison(Op.AT_LEAST, (Amount(Decimal(2), Unit.MULTIPLE, "credit"),)),
        path=("exits", 2, "stop", "cost"),
    )


def test_names_of_rules_are_derived() -> None:
    when = """
    - not: {time: "15:45"}
    - quote_width: {of: short_put, at_most: 0.2}
    - name: calm
      any:
        - vix: {below: 12}
        - name: quiet
          all: [{move: {below: 1%}}]
    - name: early
      not: {any: [{time: "11:00"}]}
"""
    spec = spec_of(VALID.replace("    - vix: {between: [12, 22]}\n", when.removeprefix("\n")))
    names = [condition.name for condition in spec.entry.when]
    assert names == ["not_time", "quote_width.short_put", "calm", "early", "vix_change", "day_range"]
    calm = spec.entry.when[2].test
    assert isinstance(calm, Group)
    assert calm.kind is GroupKind.ANY
    assert [member.name for member in calm.members] == ["calm.vix", "calm.quiet"]


def test_parameters_take_the_type_of_their_place() -> None:
    spec = spec_of(VALID, {"delta": "0.08", "wing": "25 pts"})
    assert spec.legs.legs[0].strike.target == Decimal("0.08")
    assert spec.legs.legs[1].strike.target == Decimal(25)
    assert [(one.name, one.text, one.overridden) for one in spec.parameters] == [
        ("delta", "0.08", True),
        ("wing", "25 pts", True),
    ]


def test_overrides_are_checked() -> None:
    assert codes_of(VALID, {"detla": "0.08"}) == ["RB117"]
    assert codes_of(VALID, {"delta": "1e-2"}) == ["RB151"]
    assert codes_of(VALID, {"wing": "25"}) == ["RB152", "RB152"]


def test_a_parameter_may_switch_an_exit_off() -> None:
    text = VALID.replace("wing: 10 pts}", "wing: 10 pts, watch: false}").replace(
        "    confirm: 2 quotes", "    confirm: 2 quotes\n    enabled: $watch"
    )
    assert [exit.enabled for exit in spec_of(text).exits] == [True, True, False]
    assert [exit.enabled for exit in spec_of(text, {"watch": "true"}).exits] == [True, True, True]


def test_a_digest_outlives_versions() -> None:
    """It governs open positions: a version that gives this text another digest cannot take them up."""
    assert spec_of(VALID).digest == "707042a480e54cb8430b1c38b462ccdefff5b455c08e7792c645b9c8160030ab"


def named_in(canonical: object) -> set[str]:
    """Return what a canonical form calls the nouns in it."""
    if isinstance(canonical, dict):
        own = {str(canonical["is"])} if "is" in canonical else set()
        return own.union(*map(named_in, canonical.values()))
    return set().union(*map(named_in, canonical)) if isinstance(canonical, list) else set()


def test_a_noun_keeps_its_name_in_digests_when_its_class_gets_another() -> None:
    """`again` was refused to every store after its class was renamed."""
    files = (*SHIPPED, *sorted(shipped("specs").parent.glob("examples/*.yaml")))
    specs = [spec for file in files if (spec := load_document(file).spec) is not None]
    assert named_in([canonical(spec) for spec in specs]) == NOUNS_IN_DIGESTS


def test_digest_counts_meaning_only() -> None:
    digest = spec_of(VALID).digest
    assert len(digest) == 64
    same = VALID.replace("0.50", "0.5").replace("per_day: 1", "per_day:   1   # one").replace("$wing", "10 pts", 1)
    assert spec_of(same).digest == digest
    assert spec_of(VALID, {"delta": "0.08"}).digest != digest
    assert spec_of(VALID.replace("{profit: 50%}", "{profit: 60%}")).digest != digest


def test_a_parameter_named_in_an_expression_is_used_and_counts() -> None:
    text = VALID.replace("wing: 10 pts}", "wing: 10 pts, top: 6000}").replace(
        "    - vix: {between: [12, 22]}", "    - name: low\n      expr: spot < top"
    )
    assert codes_of(text) == []
    assert spec_of(text).digest == spec_of(text.replace("top: 6000}", "top: 6000.0}")).digest
    assert spec_of(text).digest == spec_of(text.replace("top: 6000}", "top: '6000'}")).digest
    assert spec_of(text).digest != spec_of(text, {"top": "6100"}).digest


def test_an_order_of_keys_means_nothing() -> None:
    head, _, rest = VALID.partition("underlying: SPX\n")
    assert spec_of(f"{head}{rest}underlying: SPX\n").digest == spec_of(VALID).digest


def test_an_account_document_is_loaded_and_checked() -> None:
    text = "about: All bots.\naccount: DU1234567\nrisk: {daily_loss: $1500, max_open: 100}\nrulebot_account: 1\n"
    loaded = load_text(text, "account.yaml")
    assert loaded.account == AccountDocument(
        version=1,
        about="All bots.",
        account="DU1234567",
        daily_loss=Decimal(1500),
        max_open=100,
        cash_secured_puts=PromotionEvidence.CASH,
    )
    assert load_text(text.replace("$1500", "1500"), "account.yaml").diagnostics[0].code == "RB152"
    assert load_text(text.replace("max_open", "max_opne"), "account.yaml").diagnostics[0].code == "RB111"


ACCOUNT = "rulebot_account: 1\nabout: All bots.\naccount: DU1234567\nrisk: {"


def account_of(risk: str) -> AccountDocument:
    loaded = load_text(f"{ACCOUNT}{risk}}}\n", "account.yaml")
    assert loaded.account is not None, loaded.diagnostics
    return loaded.account


def test_limits_of_the_account() -> None:
    found = account_of(
        "entries_per_day: 40, cash_secured_puts: net_liquidation, max_contracts_per_order: 8, "
        "max_notional_per_order: $250000, price_band: 10%, pattern_day_trading: {ignore: a cash account}, "
        "require: [{worst_case: {at_most: 0.5x net_liquidation}}, {margin: {at_most: $90000}}]"
    )
    assert found == AccountDocument(
        version=1,
        about="All bots.",
        account="DU1234567",
        entries_per_day=40,
        cash_secured_puts=PromotionEvidence.NET_LIQUIDATION,
        max_contracts_per_order=8,
        max_notional_per_order=Amount(Decimal(250000), Unit.DOLLARS),
        price_band=Amount(Decimal(10), Unit.PERCENT),
        pattern_day_trading="a cash account",
        worst_case=Amount(Decimal("0.5"), Unit.MULTIPLE, "net_liquidation"),
        margin=Amount(Decimal(90000), Unit.DOLLARS),
    )
    assert account_of("price_band: 0.25").price_band == Amount(Decimal("0.25"), Unit.NUMBER)
    bound = account_of("require: [{worst_case: {at_most: $25000}}]").worst_case
    assert bound == Amount(Decimal(25000), Unit.DOLLARS)


@pytest.mark.parametrize(
    ("risk", "codes"),
    [
        ("require: [{margin: {at_most: 0.5}}]", ["RB152"]),
        ("require: [{margin: {at_most: $1}}, {margin: {at_most: $2}}]", ["RB121"]),
        ("require: [{net_gamma: {below: 0}}]", ["RB111"]),
        ("require: [{net_gamma: {at_most: $5}}]", ["RB152"]),
        ("require: [{net_theta: {at_most: 5}}]", ["RB152"]),
        ("require: [{net_delta: {between: [5, -5]}}]", ["RB156"]),
        ("require: [{net_delta: {at_least: -5, at_most: 5}}]", ["RB118"]),
        ("require: [{worst_case: {at_least: $100}}]", ["RB111"]),
        ("require: [{worst_case: {at_most: 0.5}}]", ["RB152"]),
        ("require: [{worst_case: {at_most: 0.5x buying_power}}]", ["RB152"]),
        ("require: []", ["RB121"]),
        ("require: [{any: [{time: '15:45'}]}]", ["RB114"]),
        ("require: [{name: r, any: []}]", ["RB121"]),
        ("require: [{name: r, any: [{vix: {below: 20}}]}]", ["RB111"]),
        ("require: [{name: r, any: [{net_gamma: {below: 20}}]}]", ["RB111"]),
        ("require: [{name: r, any: [{net_delta: {between: [5, -5]}}]}]", ["RB156"]),
        ("require: [{not: {net_delta: {between: [5, -5]}}}]", ["RB156"]),
        ("require: [{name: r, time: '15:45'}, {name: r, not: {time: '15:50'}}]", ["RB270"]),
        ("require: [{not: {time: '15:45'}}, {not: {time: '15:50'}}]", ["RB270"]),
        ("require: [{time: '15:45', not: {time: '15:50'}}]", ["RB118"]),
        ("require: [{name: r, all: [{time: '25:45'}]}]", ["RB152"]),
        ("require: [{name: r}]", ["RB118"]),
        ("cash_secured_puts: true", ["RB153"]),
        ("price_band: 0%", ["RB152"]),
        ("price_band: 0", ["RB156"]),
        ("price_band: none", ["RB152"]),
        ("pattern_day_trading: false", ["RB120"]),
        ("pattern_day_trading: {ignore: ''}", ["RB152"]),
        ("max_contracts_per_order: 0", ["RB156"]),
        ("max_notional_per_order: 100000", ["RB152"]),
    ],
)
def test_limits_that_are_not_meant(risk: str, codes: list[str]) -> None:
    assert [found.code for found in load_text(f"{ACCOUNT}{risk}}}\n", "account.yaml").diagnostics] == codes


def test_plain_limits_stay_limits_and_all_else_is_a_condition() -> None:
    found = account_of(
        "require: [{margin: {at_most: $1}}, {name: more, margin: {at_most: $2}}, {time: '10:00'}, "
        "{name: late, any: [{net_gamma: {at_least: 0}}, {not: {time: '15:45'}}]}]"
    )
    assert found.margin == Amount(Decimal(1), Unit.DOLLARS)
    assert found.net_gamma is None
    assert [rule.name for rule in found.require] == ["more", "time", "late"]
    (late,) = (rule for rule in found.require if rule.name == "late")
    assert isinstance(late.test, Group)
    assert [member.name for member in late.test.members] == ["late.net_gamma", "late.not_time"]


LIVE = "account: U1234567, good_for: 20d, require: [{compliant_sessions: {at_least: 20}}, {expectancy: {above: $0}}"


def live_text(live: str) -> str:
    return f"{ACCOUNT}max_open: 3}}\nlive: {{{live}}}\n"


def test_what_admits_a_bot_to_real_money() -> None:
    loaded = load_text(
        live_text(f"{LIVE}, {{win_rate: {{at_least: 62.5%}}}}, {{sharpe: {{above: 1.0}}}}]"), "account.yaml"
    )
    assert loaded.account is not None, loaded.diagnostics
    assert loaded.account.live == LiveRules(
        account="U1234567",
        require=(
            Demand(Shown.COMPLIANT_SESSIONS, Op.AT_LEAST, Decimal(20)),
            Demand(Shown.EXPECTANCY, Op.ABOVE, Decimal(0)),
            Demand(Shown.WIN_RATE, Op.AT_LEAST, Decimal("62.5")),
            Demand(Shown.SHARPE, Op.ABOVE, Decimal("1.0")),
        ),
        good_for=20,
    )


@pytest.mark.parametrize(
    ("live", "codes"),
    [
        (LIVE.replace("U1234567", "DU1234567") + "]", ["RB152"]),
        (LIVE.replace("account: U1234567, ", "") + "]", ["RB113"]),
        (LIVE.replace("good_for: 20d, ", "") + "]", ["RB113"]),
        (LIVE.replace("20d", "20") + "]", ["RB152"]),
        (LIVE.replace("$0", "0") + "]", ["RB152"]),
        (LIVE.replace("above: $0", "at_most: $0") + "]", ["RB111"]),
        (LIVE.replace("above: $0", "above: $0, at_least: $1") + "]", ["RB118"]),
        (LIVE.replace("compliant_sessions", "compliant_session") + "]", ["RB111"]),
        (LIVE.replace("expectancy: {above: $0}", "trades: {at_least: 20}") + "]", ["RB113"]),
        (f"{LIVE}, {{compliant_sessions: {{at_least: 5}}}}]", ["RB121"]),
        (f"{LIVE}, {{win_rate: {{at_least: 101%}}}}]", ["RB152"]),
        (f"{LIVE}, {{sharpe: {{above: -1}}}}]", ["RB156"]),
        ("account: U1234567, good_for: 20d, require: []", ["RB113", "RB113", "RB121"]),
    ],
)
def test_what_admits_no_bot_to_real_money(live: str, codes: list[str]) -> None:
    assert sorted(found.code for found in load_text(live_text(live), "account.yaml").diagnostics) == codes


def test_every_problem_in_one_run_and_in_file_order() -> None:
    text = VALID.replace("vix_change", "vix_chnage").replace("{cost: 2x credit}", "{cost: 200%}")
    text = text.replace("name: condor", "name: other").replace("per_day: 1", "per_day: 010")
    found = load_text(text, "condor.yaml").diagnostics
    assert [problem.code for problem in found] == ["RB115", "RB151", "RB112", "RB204"]
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


@pytest.mark.parametrize("overrides", [{}, {"delta": "$wing"}])
def test_a_parameter_is_no_other_parameter(overrides: dict[str, str]) -> None:
    text = VALID if overrides else VALID.replace("delta: 0.10", "delta: $wing", 1)
    (found,) = load_text(text, "condor.yaml", overrides).diagnostics
    assert (found.code, found.line, found.col) == ("RB152", 6, 21)
    assert "not another parameter" in found.message


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("live: {account: U1234567}", "rulebot_account"),
        ("account: DU1234567", "rulebot_account"),
        ("tests: []", "rulebot_test"),
        ("categories: {}", "rulebot_universe"),
        ("name: condor", "rulebot"),
    ],
)
def test_a_document_without_a_version_is_reported_the_one_that_its_keys_are_of(text: str, key: str) -> None:
    """An account document was told to begin with 'rulebot: 1', and then to have legs."""
    (problem,) = load_text(text, "some.yaml").diagnostics
    assert (problem.code, problem.help) == ("RB119", f"add '{key}: 1'")
