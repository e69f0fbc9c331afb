"""The report of backtests as a page: whole, escaped, and the same each time."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rulebot.adapters.history.session import Finding, Severity, data_of, left_out
from rulebot.backtest.report_charts import calendar, curves, falls, histogram, panel_of
from rulebot.backtest.report_page import FORMAT, comparison_page, falls_of, read_document, report_page
from rulebot.backtest.results import regime, ruined_words
from rulebot.cli.past_options import finding_lines
from rulebot.compare.spec_comparison import flaws_of
from rulebot.drawing import steps, style
from rulebot.model.errors import MisuseError
from rulebot.model.money import short_dollars

_VOID = {"meta"}
SPANS = (("2026-09-01", "2026-09-02"), ("2026-09-01", "2026-09-02", "2026-09-03"))
SUMS = {
    "trades": 2,
    "wins": 1,
    "win_rate": 0.5,
    "net": -20.0,
    "commissions": 9.0,
    "expectancy": -10.0,
    "best": 40.0,
    "worst": -60.0,
    "profit_factor": 0.67,
}


def trade(number: int, net: float, left: str | None = "2026-09-02 12:00:00") -> dict[str, Any]:
    return {
        "name": f"a<b-{number}",
        "bot": "a<b",
        "symbol": "SPX",
        "structure": "5800/5810p",
        "quantity": 1,
        "asked": 1,
        "entered": "2026-09-01 09:45:01",
        "left": left,
        "entry": 0.85,
        "exit": 0.40 if left else None,
        "given": 0.02 * number,
        "parts": ["half"] if number == 1 else [],
        "reason": "target",
        "commissions": 4.5,
        "net": net,
        "vix": 17.0,
        "in_shares": number == 2,
        "worth": -20.0 if number == 2 else None,
    }


def document() -> dict[str, Any]:
    days = [
        {
            "date": "2026-09-01",
            "equity": 1040.0,
            "profit": 40.0,
            "vix": 17.0,
            "opened": 1,
            "closed": 1,
            "has_data": True,
            "is_strained": False,
        },
        {
            "date": "2026-09-02",
            "equity": 980.0,
            "profit": -60.0,
            "vix": None,
            "opened": 1,
            "closed": 1,
            "has_data": True,
            "is_strained": False,
        },
    ]
    funnel = {"bot": "a<b", "sessions": 2, "watched": 2, "tried": 2, "entered": 2, "minutes": 30.0}
    stopped = {"rule": "vix & more", "false": 12.0, "unknown": 0.0, "sessions": 1}
    return {
        "settings": {"from": "2026-09-01", "to": "2026-09-02", "source": "x", "data": "y", "fills": "mid"}
        | {"is_modelled": True},
        "version": "0.1.0",
        "figures": {
            "average_win": 40.0,
            "average_loss": -60.0,
            "losing_streak": 1,
            "premium_kept": -0.1,
            "held": 190.0,
            "below_best": 1,
        },
        "days": days,
        "trades": [trade(1, 40.0), trade(2, -60.0), trade(3, 0.0, None)],
        "all": SUMS,
        "by_bot": {"a<b": SUMS},
        "kept": [
            {
                "bot": "a<b",
                "exit": "target",
                "trades": 2,
                "promised_share": 0.5,
                "kept_share": 0.51,
                "least_share": 0.50,
                "least": 50.0,
                "promised": 42.5,
                "kept": 43.35,
                "made_share": None,
                "missed": 0,
                "slippage": 0.85,
            }
        ],
        "by_reason": {"target": SUMS},
        "by_vix": {"VIX 15 to 20": SUMS},
        "by_hour": {"09:00": SUMS},
        "profit": -20.0,
        "max_drawdown": 60.0,
        "sharpe": None,
        "sharpe_error": None,
        "holds_shares": False,
        "months": [
            {"name": "2026-09", "sessions": 2, "idle": 0, "trades": 2, "win_rate": 0.5, "average": -10.0}
            | {"net": -20.0, "drawdown": 60.0, "short": ["win rate above 60%"], "wins": 1, "errors": 0}
        ],
        "funnels": [{**funnel, "stopped": [stopped]}],
        "alarms": {"seldom": 1, "often": 3},
        "bias": {"trades": 1, "least": 5.0, "most": 7.5, "same_day": 0},
        "findings": [
            {"date": "2026-09-01", "severity": "reported", "file": "a.csv", "row": 7, "count": 2, "text": "crossed <"}
        ],
    }


class Reader(HTMLParser):
    """Reads a page, and what it names, links to and loads."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.links: set[str] = set()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        self.names |= {found["id"] or ""} if "id" in found else set()
        self.links |= {found["href"] or ""} if "href" in found else set()
        assert not {"src", "onclick", "onload"} & found.keys()
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_a_report_is_one_file_whose_trades_lead_to_their_why() -> None:
    page = report_page(document(), {"a<b-1": "all <conditions> held"})
    found = read(page)
    assert {link.removeprefix("#") for link in found.links} == {"a<b-1", "a<b-2", "a<b-3"} <= found.names
    assert found.tags & {"script", "link", "img", "iframe"} == set()
    assert "all <conditions> held" in found.text
    assert "rulebot why a<b --date 2026-09-01" in found.text
    for words in (
        "modelled",
        "vix & more",
        "win rate above 60%",
        "crossed <",
        "a.csv:7",
        "half, target",
        "no sum of trades: 1 position.",
        "target 50 %: kept 51 %, at least 50 %, slippage +$0.85 a contract, n 2",
        "Ended in shares: 1 trade, counted at the official settlement price of the shares; the shares made -$20.00",
    ):
        assert words in found.text
    assert found.text.index("often") < found.text.index("seldom")
    assert report_page(json.loads(json.dumps(document())), {"a<b-1": "all <conditions> held"}) == page


def test_the_known_bias_of_modelled_prices_is_on_the_page() -> None:
    text = read(report_page(document(), {})).text
    assert "Known bias: entries of 1 trade were too good by $5.00 to $7.50 a trade" in text


def test_a_price_has_its_half_cent() -> None:
    """A structure that was bought back at 5.375 stood at 5.38, and a sale at 1.425 at 1.43."""
    reported = {**document(), "trades": [{**trade(1, 40.0), "entry": 1.425, "exit": 5.375}]}
    trades = next(rows for rows in rows_of(report_page(reported, {})) if rows[0][0] == "entered")
    assert trades[1][3:6] == ["1.425", "2026-09-02 12:00", "5.375"]


def test_backtests_are_set_side_by_side() -> None:
    other = document()
    other["days"] = other["days"][:1]
    other["by_reason"] = {"stop": SUMS}
    found = read(comparison_page({"one": document(), "<two>": other}))
    for words in ("one", "<two>", "target", "stop", "x (modelled)"):
        assert words in found.text


def rows_of(page: str) -> list[list[list[str]]]:
    """Return the tables of a page: rows of cells, without their marks."""
    tables = [re.findall(r"<tr>(.*?)</tr>", each, re.S) for each in re.findall(r"<table>(.*?)</table>", page, re.S)]
    return [
        [[re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]
        for rows in tables
    ]


def test_each_figure_stands_under_its_name() -> None:
    """Two names without figures were at the head of a comparison: the account's profit stood under 'trades'."""
    side_by_side = comparison_page({"one": document(), "two": document()})
    for head, *rows in (*rows_of(side_by_side), *rows_of(report_page(document(), {}))):
        assert {len(row) for row in rows} <= {len(head)}
    compared = report_page(document(), {}, {"one": document(), "two": document()})
    assert rows_of(compared) == [*rows_of(side_by_side), *rows_of(report_page(document(), {}))]
    head, one, _ = rows_of(side_by_side)[0]
    reported = dict(zip(head, one, strict=True))
    assert (reported["sessions"], reported["trades"], reported["won"]) == ("2", "2", "50 %")


def test_sums_by_vix_stand_side_by_side_from_the_lowest_on() -> None:
    low = document() | {"by_vix": {"VIX 12 to 15": SUMS, "VIX below 12": SUMS}}
    page = comparison_page({"one": document(), "two": low})
    places = [page.index(f"<td>{name}</td>") for name in ("VIX below 12", "VIX 12 to 15", "VIX 15 to 20")]
    assert places == sorted(places)


def test_backtests_of_other_sessions_say_so_and_have_their_dates() -> None:
    other = document()
    other["days"] = other["days"][:1]
    found = read(comparison_page({"one": document(), "two": other}))
    assert "not of the same sessions" in found.text
    first, last = (document()["days"][place]["date"] for place in (0, -1))
    assert f"x (modelled), {first} to {last}" in found.text
    assert f"x (modelled), {first} to {first}" in found.text
    assert "not of the same sessions" not in comparison_page({"one": document(), "two": document()})


def test_days_that_were_refused_are_reported_before_what_is_merely_odd() -> None:
    odd = [
        {"file": "a.csv", "row": row, "severity": "reported", "text": "theta is a year", "count": 1}
        for row in range(300)
    ]
    late = {"file": "a.csv", "row": 9, "severity": "refused", "text": "the day is stale", "count": 1}
    head, first, second = finding_lines([*odd, late])
    assert head == " the data: 2 findings"
    assert first == "  refused: a.csv:9: the day is stale"
    assert second == "  reported: a.csv: theta is a year (300 times)"
    assert "the day is stale" in report_page(document() | {"findings": [*odd, late]}, {})


def crossed(day: int, rows: int) -> dict[str, Any]:
    numbers = f" ({rows} rows: {', '.join(map(str, range(1, rows + 1)))})" if rows > 1 else ""
    text = f"the bid is above the ask{numbers}"
    return {"file": f"2024-02-{day:02d}.csv", "row": 1, "severity": "left out", "text": text, "count": rows}


def stale(day: int) -> dict[str, Any]:
    text = f"2024-02-{day:02d} is no session"
    return {"file": "chains", "row": 0, "severity": "refused", "text": text, "count": 1}


def test_what_comes_again_day_by_day_is_reported_once_with_its_last_place() -> None:
    """Four days of crossed quotes, four that are none; three files with the same oddity are named one by one."""
    few = [{**stale(day), "severity": "reported", "file": f"{day}.csv", "text": "it begins late"} for day in (1, 2, 3)]
    many = [*(crossed(day, day) for day in (1, 2, 3, 4)), *(stale(day) for day in (3, 4, 10, 11)), *few]
    head, *lines = finding_lines(many)
    assert head == " the data: 11 findings"
    assert lines == [
        "  refused: chains: 2024-02-03 is no session; 3 more like it, the last 2024-02-11",
        "  left out: 2024-02-01.csv:1: the bid is above the ask; 3 more like it, the last 2024-02-04.csv:1",
        "  reported: 1.csv: it begins late",
        "  reported: 2.csv: it begins late",
        "  reported: 3.csv: it begins late",
        "  --format json has them all",
    ]
    page = read(report_page(document() | {"findings": many}, {})).text
    assert "the bid is above the ask; 3 more like it, the last 2024-02-04.csv:1" in page


def test_the_last_of_findings_of_one_file_is_reported_by_what_differs() -> None:
    """Of holes in a day's recording the file of the first was named twice, and no time of the others."""
    hole = {"row": 0, "severity": "reported", "count": 1}
    texts = [f"nothing is recorded from {at}:00:00 to {at}:30:02: the gateway was gone" for at in (10, 11, 12, 13)]
    one = [{**hole, "file": "day.tape", "text": text} for text in texts]
    assert [*finding_lines(one)][
        1
    ] == f"  reported: day.tape: {texts[0]}; 3 more like it, the last 13:00:00 to 13:30:02"
    several = [{**each, "file": f"{number}.tape"} for number, each in enumerate(one, 1)]
    assert [*finding_lines(several)][1].endswith("3 more like it, the last 4.tape: 13:00:00 to 13:30:02")


def test_a_comparison_of_texts_reports_a_flaw_in_the_words_of_a_backtest_and_counts_it_once_for_both() -> None:
    odd = Finding(file="a.csv", row=3, severity=Severity.REPORTED, text="theta is a year", count=40)
    again = Finding(file="daily", row=0, severity=Severity.REPORTED, text="it has no open")
    rows = left_out("b.csv", [4, 7], "the bid is above the ask")
    alone = Finding(file="b.csv", row=0, severity=Severity.REFUSED, text="it is cut off")
    found = flaws_of([(odd, again, rows, again, again), (odd, again, alone)])
    assert found == (
        "refused: b.csv: it is cut off",
        "left out: b.csv:4: the bid is above the ask (2 rows: 4, 7)",
        "reported: a.csv:3: theta is a year (40 times)",
        "reported: daily: it has no open (3 times)",
    )
    _, *lines = finding_lines(map(data_of, (odd, again, rows, again, again, alone)))
    assert [line.strip() for line in lines] == list(found)


def test_findings_in_other_words_are_distinguished() -> None:
    of = [{**crossed(day, 1), "text": f"the level of {name} is 7"} for day, name in enumerate(("SPX", "VIX") * 2)]
    _, *lines = finding_lines(of)
    assert len(lines) == 4


def test_sentences_in_tables_wrap_instead_of_pushing_figures_out_of_sight() -> None:
    assert '<td class="words">crossed &lt;' in report_page(document(), {})
    assert '<td class="words">x (modelled), 2026' in comparison_page({"one": document(), "two": document()})
    assert ".words{white-space:normal" in report_page(document(), {})


def test_a_report_without_a_trade_or_a_session_is_a_page_all_the_same() -> None:
    empty = document() | {"days": [], "trades": [], "months": [], "all": SUMS | {"trades": 0}, "by_vix": {}}
    read(report_page(empty, {}))
    read(curves("one", ["2026-09-01"], {"a": [1.0]}) + histogram([0.0], "n"))
    assert calendar([]) == []


def test_an_account_that_never_fell_has_no_axis_of_less_than_a_dollar() -> None:
    """It was drawn from $0 by -$0 to -$1, above an empty table of trades."""
    report = report_page(document() | {"days": [document()["days"][0]], "trades": []}, {})
    assert "The account was never below its best" in report
    assert "-$1<" not in report
    assert "<th>entered</th>" not in report


def test_an_axis_has_round_steps_and_holds_what_is_drawn() -> None:
    assert steps(0.0, 100.0) == [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    assert steps(5.0, 5.0) == [5.0]
    panel = panel_of([[3.0, 9.0], [-2.0]], 200)
    low, high = panel.y_range
    assert low < -2.0 < 9.0 < high
    assert panel.y(9.0) < panel.y(-2.0)


def test_falls_count_from_the_best_so_far_with_the_start() -> None:
    assert falls_of(document()["days"]) == [0.0, 60.0]
    assert falls_of([{"equity": 90.0, "profit": -10.0}]) == [10.0]


@pytest.mark.parametrize(
    ("vix", "words"),
    [(None, "VIX unknown"), (9.0, "VIX below 12"), (12.0, "VIX 12 to 15"), (40.0, "VIX from 35")],
)
def test_a_vix_is_reported_by_the_edges_between_which_it_lies(vix: float | None, words: str) -> None:
    assert regime(vix) == words


def test_figures_of_a_few_dollars_are_not_rounded_and_one_session_is_seen() -> None:
    """Commissions of $2.80 stood there as $3, and the drawdown of a single session was an empty drawing."""
    few = (2.8, 52.8, -0.004, 0.0, 20.0, -0.5, 1234.0)
    assert [short_dollars(each) for each in few] == ["$2.80", "$52.80", "$0", "$0", "$20", "-$0.50", "$1,234"]
    assert "<b>$9.00</b>" in report_page(document(), {})
    assert falls(["2026-09-01"], [52.8]).count('<circle class="loss"') == 1


def test_an_account_below_zero_is_reported() -> None:
    """A bot made good what it had lost beyond the account's last dollar, and nothing said that it could not have."""
    assert "below zero" not in report_page(document(), {})
    lost = {"d1": 1.0, "d2": -1.0, "d3": 0.0, "d4": -2.0}
    assert ruined_words(lost).startswith("the account was below zero at the end of 2 sessions, first on d2: ")
    assert ruined_words({"d2": -1.0}).startswith("the account was below zero on d2: ")
    days = [{**day, "equity": day["equity"] - 1000.0} for day in document()["days"]]
    words = "The account was below zero on 2026-09-02: a broker would have stopped these bots."
    assert f'<p class="warn">{words}</p>' in report_page({**document(), "days": days}, {})


def test_an_account_whose_margin_took_all_is_reported() -> None:
    assert "The margin of" not in report_page(document(), {})
    days = [{**day, "is_strained": day["vix"] is None} for day in document()["days"]]
    words = "The margin of what was held, by its worst case, took all that the account had on 2026-09-02: a broker may "
    assert f'<p class="warn">{words}refuse such entries, or close some of it.</p>' in report_page(
        {**document(), "days": days}, {}
    )


def test_a_result_that_lacks_what_a_report_shows_is_refused(tmp_path: Path) -> None:
    """One of another version, or that somebody had shortened, ended in a traceback."""
    whole = {"format": FORMAT, "digests": {}, **document()}
    file = tmp_path / "r.json"
    file.write_text(json.dumps(whole), encoding="utf-8")
    assert read_document(file) == whole
    lacking: list[tuple[str, dict[str, Any]]] = [
        ("days", {"days": "gone"}),
        ("equity", {"days": [{"date": "2026-09-01"}]}),
        ("reason", {"trades": [{name: each for name, each in trade(1, 1.0).items() if name != "reason"}]}),
        ("win_rate", {"all": {"trades": 0, "wins": 0}}),
        ("fills", {"settings": {**document()["settings"], "fills": ["mid"]}}),
        ("net", {"by_vix": {"VIX 15 to 20": {**SUMS, "net": "-20"}}}),
        ("profit", {"profit": float("nan")}),
        (
            "sessions",
            {"funnels": [{**document()["funnels"][0], "stopped": [{"rule": "vix", "false": 1.0, "unknown": 0.0}]}]},
        ),
    ]
    for word, change in lacking:
        reported = {name: each for name, each in {**whole, **change}.items() if each != "gone"}
        file.write_text(json.dumps(reported), encoding="utf-8")
        with pytest.raises(MisuseError, match=f"lacks '{word}'") as caught:
            read_document(file)
        assert caught.value.help == (
            "name the store of that backtest to --compare instead, or run it again: "
            f"'rulebot backtest SPEC --format json > {file}' writes it"
        )


def test_a_session_alone_is_a_dot_in_its_own_colour() -> None:
    """It was black with an edge of its colour, and nearly black on black at night."""
    dot = re.compile(r'<circle class="dot c1" cx="[\d.]+" cy="[\d.]+" r="([\d.]+)"/>')
    (radius,) = dot.findall(curves("a", ["2026-09-01"], {"one": [1.0], "two": [2.0]}))
    assert f".dot{{fill:none;stroke-width:{2 * float(radius):g}}}" in style()


def test_tables_have_the_cents_that_the_text_has() -> None:
    """A loss of $114.61 was -$115 there, beside -$75.05 in the row below it."""
    reported = document()
    reported["trades"][0]["net"], reported["months"][0]["drawdown"], reported["funnels"][0]["watched"] = (
        -1114.61,
        785.4,
        1256,
    )
    page = report_page({**reported, "profit": -750.06, "max_drawdown": 785.4}, {})
    assert [words for words in ("-$1,114.61", ">-$750.06<", ">$785.40<", "watched in 1,256") if words not in page] == []
    assert page.count("$785.40") == 2


def test_what_scrolls_is_reached_by_keys_and_all_stands_in_the_main_part() -> None:
    page = report_page(document(), {})
    assert page.count('<div class="scroll" tabindex="0">') == page.count('class="scroll"') > 5
    assert re.search(r"<body>\s*<main>.*</main>\s*</body>", page, re.S)


def test_a_point_of_a_curve_has_the_cents_of_the_tables() -> None:
    """A session at -$114.61 was -$115 there."""
    assert "<title>2026-09-01 -$114.61</title>" in curves("profit", ["2026-09-01"], {"one": [-114.61]})


def test_the_seventh_line_of_a_comparison_is_another_one_than_the_first() -> None:
    """It had the first one's colour, and nothing told them apart."""
    page = comparison_page({f"run {number}": document() for number in range(14)})
    for pattern in (r'class="curve ([^"]*)"', r'class="key ([^"]*)"'):
        assert len(set(re.findall(pattern, page))) == 14, pattern
    kinds = {each for found in re.findall(r'class="(?:curve|key) ([^"]*)"', page) for each in found.split()}
    assert [each for each in sorted(kinds - {"r0"}) if f".{each}{{" not in page] == []


@pytest.mark.parametrize(
    ("fills", "entered", "is_reported"), [("natural", 0, True), ("natural", 1, False), ("mid", 0, False)]
)
def test_orders_of_which_none_filled_are_reported_on_the_page(fills: str, entered: int, is_reported: bool) -> None:
    """The terminal said what to do; the page had a flat line, and a table of what kept the bot out."""
    reported = document()
    reported["settings"]["fills"], reported["funnels"][0]["entered"] = fills, entered
    assert ("<p>None of its orders filled: natural fills need" in report_page(reported, {})) == is_reported


def test_a_title_counts_bots_that_are_many() -> None:
    """The names of fifty bots filled a screen before the first figure."""
    for count, named in ((6, "a0, a1, a2, a3, a4, a5: "), (7, "7 bots: ")):
        page = report_page({**document(), "by_bot": {f"a{number}": SUMS for number in range(count)}}, {})
        assert f"<h1>{named}2026-09-01" in page


def test_paper_is_light_and_has_the_colours_of_maps_and_keys() -> None:
    """Printed where the system is dark it was pale grey on white, and a heat map was figures alone."""
    assert re.findall(r"@media ([^{]*dark\))", style()) == ["screen and (prefers-color-scheme:dark)"]
    assert ".key,.heat i{-webkit-print-color-adjust:exact;print-color-adjust:exact}" in report_page(document(), {})


def test_a_line_of_a_comparison_is_as_long_as_its_backtest() -> None:
    """One that ended in June went on to December, level, as if its bot had done nothing since."""
    one, two = ({**document(), "days": [{**document()["days"][0], "date": day} for day in days]} for days in SPANS)
    page = comparison_page({"one": one, "two": two})
    first, second = (found.split(" ") for found in re.findall(r'<polyline class="curve c\d r0" points="([^"]*)"', page))
    assert (len(first), len(second)) == (2, 3)
    assert page.count("<title>one ") == 2
    assert first[-1].split(",")[0] == second[1].split(",")[0]


@pytest.mark.parametrize(
    ("values", "ends"),
    [([0.0], ("0.000", "0.250")), ([0.1, 0.3], ("0.000", "0.300")), ([-0.05, 0.2], ("-0.050", "0.200"))],
)
def test_columns_of_fills_say_where_their_axis_ends(values: list[float], ends: tuple[str, str]) -> None:
    """Where all filled at the mid, 0.000 stood at both ends of an axis that was a quarter wide."""
    assert tuple(re.findall(r">(-?\d\.\d{3})</text>", histogram(values, "n"))) == ends


def test_months_say_what_they_fall_short_of_where_one_does() -> None:
    """A column without anything in it stood there, as nobody had asked for anything."""
    month = {"name": "2018-02", "sessions": 19, "idle": 18, "trades": 1, "win_rate": 1.0, "drawdown": 0.0}
    fine = {**month, "average": 10.0, "net": 10.0, "short": []}
    assert "short of" not in report_page(document() | {"months": [fine]}, {})
    text = report_page(document() | {"months": [fine, {**fine, "short": ["average above $20.00"]}]}, {})
    assert "<th>short of</th>" in text
    assert "average above $20.00" in text
