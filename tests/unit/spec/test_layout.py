"""What `rulebot fmt` makes of a text, piece by piece. Whole documents are in tests/property/test_any_layout.py."""

import pytest

from rulebot.model.errors import InvariantError
from rulebot.spec import layout as front_door
from rulebot.spec.layout import formatted, text_of
from rulebot.spec.layout_write import WIDTH, quoted, rewritten
from rulebot.spec.source import Kind


def laid_out(text: str) -> str:
    new = formatted(text, "bot.yaml", Kind.STRATEGY)
    assert formatted(new, "bot.yaml", Kind.STRATEGY) == new
    return new


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        # keys in the order of the language, names of the author's own as they are
        (
            "order: {then: cancel, start: mid}\nname: a\nrulebot: 1\n",
            "rulebot: 1\nname: a\norder: {start: mid, then: cancel}\n",
        ),
        (
            "parameters: {b: 1, a: 2}\nlet: {z: {gap: {}}, y: {spot: {}}}\n",
            "parameters: {b: 1, a: 2}\nlet: {z: {gap: {}}, y: {spot: {}}}\n",
        ),
        (
            "exits:\n- confirm: 5s\n  time: close\n  name: x\n",
            "exits:\n  - name: x\n    time: close\n    confirm: 5s\n",
        ),
        ("mine: 2\nrulebot: 1\n", "rulebot: 1\nmine: 2\n"),
        # legs in columns
        (
            "legs:\n  require: []\n  long: {strike: {by: 5 pts, below: b}, buy: put}\n"
            "  b: {sell: call, strike: {}}\n  expiry: {}\n",
            "legs:\n  expiry: {}\n  long: {buy: put,   strike: {below: b, by: 5 pts}}\n"
            "  b:    {sell: call, strike: {}}\n  require: []\n",
        ),
        (
            "legs:\n  a: {buy: put, of: SPX, strike: {}}\n  bb: {sell: call, of: QQQQ, ratio: 2, strike: {}}\n",
            "legs:\n  a:  {buy: put,   of: SPX,  strike: {}}\n  bb: {sell: call, of: QQQQ, ratio: 2, strike: {}}\n",
        ),
        (
            "legs:\n  a: {buy: put, strike: {}}\n\n  bb: {sell: put, strike: {}}\n",
            "legs:\n  a: {buy: put, strike: {}}\n\n  bb: {sell: put, strike: {}}\n",
        ),
        # braces or lines
        (
            "entry:\n  window:\n      from: 10:30\n      to: '13:30'\n  per_day:   1\n",
            'entry:\n  window: {from: "10:30", to: "13:30"}\n  per_day: 1\n',
        ),
        ("order:\n  start: mid\n  wait: 5s\n", "order: {start: mid, wait: 5s}\n"),
        ("entry: {per_day: 1}\n", "entry: {per_day: 1}\n"),
        ("parameters:\n  a: 1\n", "parameters:\n  a: 1\n"),
        ("exits: [{time: close}]\n", "exits:\n  - time: close\n"),
        ("entry: {when: [{vix: {below: 9}}]}\n", "entry: {when: [{vix: {below: 9}}]}\n"),
        (
            "entry: {when: [{vix: {below: 9}}, {gap: {below: 9%}}]}\n",
            "entry:\n  when:\n    - vix: {below: 9}\n    - gap: {below: 9%}\n",
        ),
        ("entry:\n  again:\n    after:\n    - stop\n    - target\n", "entry:\n  again: {after: [stop, target]}\n"),
        ("entry:\n  window:\n  - {from: open, to: close}\n", "entry:\n  window:\n    - {from: open, to: close}\n"),
        ('{"rulebot": 1, "name": "a"}\n', "rulebot: 1\nname: a\n"),
        ("? rulebot\n: 1\n", "rulebot: 1\n"),
        # quotes
        ("entry: {at: 10:30:15}\n", 'entry: {at: "10:30:15"}\n'),
        ("entry: {at: 'open + 30m', every: \"45s\"}\n", "entry: {at: open + 30m, every: 45s}\n"),
        (
            "parameters: {a: '5', b: \"true\", c: '$x', d: '10 pts', e: '010'}\n",
            'parameters: {a: "5", b: "true", c: $x, d: 10 pts, e: "010"}\n',
        ),
        ("about: 'it''s \"so\"'\n", 'about: "it\'s \\"so\\""\n'),
        ("accept: {RB310: \"said, and meant\"}\n", "accept: {RB310: \"said, and meant\"}\n"),
        # long texts
        ("about: one\n  two\n\n  three\n", 'about: "one two\\nthree"\n'),
        ('about: "one\n  two"\n', 'about: "one two"\n'),
        (
            "about: |\n    one\n      two # no comment\n\n\nname: a\n",
            "name: a\nabout: |\n  one\n    two # no comment\n",
        ),
        ("about: >-   # why\n one\n two\n\nname: a\n", "name: a\nabout: >-   # why\n  one\n  two\n"),
        ("about: |2-\n   one\n  two\n", "about: |2-\n   one\n  two\n"),
        ("about: |+\n  one\n\n\nname: a\n", "name: a\nabout: |+\n  one\n\n\n"),
        ("accept:\n  RB310: |\n    one\n    two\n", "accept:\n  RB310: |\n    one\n    two\n"),
        ("about: |\nname: a\n", "name: a\nabout: |\n"),
        # what says nothing
        ("order:\n  start:\n  wait: 5s\n", "order: {start: null, wait: 5s}\n"),
        ("name:\n\nabout: a\n", "name:\n\nabout: a\n"),
        # the document
        ("---\nrulebot: 1\n...\n", "rulebot: 1\n"),
        ("--- # top\nrulebot: 1\n", "# top\nrulebot: 1\n"),
        ("\n\nrulebot: 1\n\n\n\nname: a\n\n", "rulebot: 1\n\nname: a\n"),
    ],
)  # fmt: skip
def test_fmt_lays_out_keys_in_the_order_of_the_language(written: str, wanted: str) -> None:
    assert laid_out(written) == wanted


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        # behind something: its column is kept, two spaces away at least
        ("name: a # why\nrulebot: 1\n", "rulebot: 1\nname: a  # why\n"),
        ("name: a     # why\n", "name: a     # why\n"),
        ("name: a   # why\n          # and more\nabout: b\n", "name: a   # why\n          # and more\nabout: b\n"),
        ("name: 'a#b'  # c\n", 'name: "a#b"  # c\n'),
        ("exits:  # in order\n- time: close\n", "exits:  # in order\n  - time: close\n"),
        # on its own line: with what follows
        ("name: a\n# the kind\nrulebot: 1\n", "# the kind\nrulebot: 1\nname: a\n"),
        ("# top\nname: a\nrulebot: 1\n", "# top\nrulebot: 1\nname: a\n"),
        ("# top\n\n# my name\nname: a\nrulebot: 1\n", "# top\nrulebot: 1\n\n# my name\nname: a\n"),
        ("order: market\n# or at mid\n\nname: a\n", "name: a\norder: market\n# or at mid\n"),
        ("order: market\n# or at mid\n\nname: a\nrisk: {}\n", "name: a\norder: market\n# or at mid\n\nrisk: {}\n"),
        # further in than what follows: the end of what stands there
        (
            "exits:\n  - time: close\n  # - stop: x\n\n# limits\nrisk: {}\n",
            "exits:\n  - time: close\n  # - stop: x\n\n# limits\nrisk: {}\n",
        ),
        (
            "exits:\n  - time: close\n    # no confirm\n  - at_expiry: settle\n",
            "exits:\n  - time: close\n    # no confirm\n  - at_expiry: settle\n",
        ),
        ("risk:\n  a: 1\n# the end\n", "risk:\n  a: 1\n# the end\n"),
        ("risk:\n  a: 1\n  # the end\n", "risk:\n  a: 1\n  # the end\n"),
        # inside braces: they are opened
        ("order: {start: mid, # why\n  wait: 5s}  # how\n", "order:  # how\n  start: mid  # why\n  wait: 5s\n"),
        ("order: { # how\n  start: mid}\n", "order:\n  # how\n  start: mid\n"),
        ("order: {start: mid\n  # the end\n  }\n", "order:\n  start: mid\n  # the end\n"),
        (
            "entry:\n  again:\n    after: [stop, # why\n      target]\n",
            "entry:\n  again:\n    after:\n      - stop  # why\n      - target\n",
        ),
        # between a key and its value, and behind a dash
        ("order:\n  # how\n  {start: mid}\n", "# how\norder: {start: mid}\n"),
        ("about: # why\n  so\n", "about: so  # why\n"),
        ("exits:\n-   # first\n  time: close\n", "exits:\n  # first\n  - time: close\n"),
        ("exits:\n- {time: close, confirm: 5s} # first\n", "exits:\n  # first\n  - time: close\n    confirm: 5s\n"),
        ("{rulebot: 1} # so\n# the end\n", "rulebot: 1\n# so\n# the end\n"),
    ],
)  # fmt: skip
def test_fmt_keeps_comments_where_they_belong(written: str, wanted: str) -> None:
    assert laid_out(written) == wanted


def test_what_does_not_fit_on_its_line_is_spread() -> None:
    names = ", ".join(f"parameter_{number}: {number}" for number in range(9))
    text = laid_out(f"parameters: {{{names}}}   # all\n")
    assert text.startswith("parameters:  # all\n  parameter_0: 0\n")
    events = ", ".join(f"event_{number}" for number in range(20))
    text = laid_out(f"entry: {{when: [{{no_event: [{events}]}}]}}\n")
    assert text.startswith("entry:\n  when:\n    - no_event: [event_0,")
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert "\n                 event_" in text


def test_a_layout_that_would_change_something_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_door, "write", lambda page: "rulebot: 2\n")
    with pytest.raises(InvariantError, match="change what it says"):
        formatted("rulebot: 1\n", "bot.yaml", Kind.STRATEGY)
    monkeypatch.setattr(front_door, "write", lambda page: "rulebot: 1\n")
    with pytest.raises(InvariantError, match="lose a comment"):
        formatted("rulebot: 1  # so\n", "bot.yaml", Kind.STRATEGY)
    monkeypatch.setattr(front_door, "write", lambda page: "legs: {b: 1, a: 1}\n")
    with pytest.raises(InvariantError, match="change what it says"):
        formatted("legs: {a: 1, b: 1}\n", "bot.yaml", Kind.STRATEGY)


def test_fmt_quotes_only_what_needs_quotes() -> None:
    assert [rewritten("10:30", style) for style in (None, "'", '"')] == ['"10:30"'] * 3
    assert rewritten("two words", '"') == '"two words"'
    assert rewritten("SPX", '"') == "SPX"
    assert quoted("a\\b") == "'a\\b'"
    assert quoted("a\tb'\\") == '"a\\tb\'\\\\"'


def test_a_tree_is_written_with_its_sections_apart() -> None:
    tree = {"rulebot": 1, "entry": {"at": "10:00", "when": [{"vix": {"below": 20}}]}, "accept": {"RB310": "a, b"}}
    assert text_of(tree) == (
        'rulebot: 1\naccept: {RB310: "a, b"}\n\nentry:\n  at: "10:00"\n  when:\n    - vix: {below: 20}\n'
    )
