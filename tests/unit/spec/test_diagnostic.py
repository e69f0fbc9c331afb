import json

from rulebot.spec.diagnostic import Diagnostic, Severity, as_github, as_json, in_file_order, not_accepted, render

FOUND = Diagnostic(
    file="specs/condor.yaml",
    line=24,
    col=18,
    end_col=22,
    code="RB204",
    severity=Severity.ERROR,
    message="a cost is a price or a multiple of the credit, is '200%'",
    help="'cost: 2x credit' buys 1.00 back at 2.00; 'loss: 200%' buys it back at 3.00",
    text="  - stop: {cost: 200%}",
)
WARNING = Diagnostic(
    file="a.yaml", line=3, col=1, end_col=2, code="RB310", severity=Severity.WARNING, message="w", text="\tx"
)


def test_rendered_as_in_the_manual() -> None:
    assert render(FOUND) == (
        "specs/condor.yaml:24:18: error[RB204]: a cost is a price or a multiple of the credit, is '200%'\n"
        "   24 |   - stop: {cost: 200%}\n"
        "      |                  ^^^^\n"
        "   = help: 'cost: 2x credit' buys 1.00 back at 2.00; 'loss: 200%' buys it back at 3.00"
    )


def test_nothing_that_moves_a_cursor_is_printed() -> None:
    odd = Diagnostic(
        file="\x1b[2J.yaml", line=1, col=2, end_col=3, code="RB103", severity=Severity.ERROR, message="m", text="\t\x1b"
    )
    assert render(odd) == "\ufffd[2J.yaml:1:2: error[RB103]: m\n    1 | \t\ufffd\n      | \t^"


def test_json_has_every_field() -> None:
    (row,) = json.loads(as_json([FOUND]))
    assert row["code"] == "RB204"
    assert (row["line"], row["col"], row["end_col"], row["severity"]) == (24, 18, 22, "error")


def test_github_escapes_what_it_must() -> None:
    assert as_github(FOUND).startswith("::error file=specs/condor.yaml,line=24,col=18,endColumn=22,title=RB204::a cost")
    assert "200%25" in as_github(FOUND)
    assert "%0Ahelp: " in as_github(FOUND)


def test_order_and_acceptance() -> None:
    assert in_file_order([FOUND, WARNING, FOUND]) == (WARNING, FOUND)
    assert not_accepted([FOUND, WARNING], {"RB310": "as asked", "RB204": "no"}) == (FOUND,)
