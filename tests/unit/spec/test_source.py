from decimal import Decimal

import pytest

from rulebot.spec.diagnostic import Span
from rulebot.spec.yaml import MAX_DEPTH, read_source


def tree_of(text: str) -> object:
    source = read_source(text.encode(), "spec.yaml")
    assert source.problems == ()
    return source.tree


def codes_of(content: bytes) -> list[str]:
    return [problem.code for problem in read_source(content, "spec.yaml").problems]


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "a: 10:30\nb: no\nc: 2026-11-18\nd: 0.10\ne: 7\nf: true\ng: '5'\nh:\n"
    expected = {
        "a": "10:30",
        "b": "no",
        "c": "2026-11-18",
        "d": Decimal("0.10"),
        "e": 7,
        "f": True,
        "g": "5",
        "h": None,
    }
    assert tree_of(text) == expected


def test_decimals_keep_their_text() -> None:
    tree = tree_of("a: 0.10")
    assert isinstance(tree, dict)
    assert str(tree["a"]) == "0.10"


def test_a_byte_order_mark_and_foreign_line_ends_are_tolerated() -> None:
    source = read_source(b"\xef\xbb\xbfa: 1\r\nb: [x,\ry]\n", "spec.yaml")
    assert source.tree == {"a": 1, "b": ["x", "y"]}
    assert source.span(("b",), key=True) == Span(2, 1, 2)


def test_places_of_keys_and_values() -> None:
    source = read_source(b"exits:\n  - stop: {loss: $50}   # at last\n    confirm: 2 quotes\n", "spec.yaml")
    assert source.span(("exits", 0, "stop", "loss")) == Span(2, 18, 21)
    assert source.span(("exits", 0, "stop"), key=True) == Span(2, 5, 9)
    assert source.span(("exits", 0, "stop")) == Span(2, 11, 22)
    assert source.span(("exits", 0)) == Span(2, 5, 22)
    assert source.span(("exits", 0, "stop", "missing")) == Span(2, 5, 9)
    assert source.span(("nowhere",)) == Span(1, 1, 6)
    assert source.written(("exits", 0, "confirm")) == "2 quotes"


@pytest.mark.parametrize(
    "text", ["010", "1_000", "0x1f", "0o17", "0b10", "1e3", ".inf", "-.inf", ".nan", ".5", "5.", "+5", "1.5e3"]
)
def test_numbers_not_in_plain_digits_are_refused(text: str) -> None:
    assert codes_of(f"a: {text}".encode()) == ["RB151"]


def test_a_hash_that_begins_like_a_binary_number_is_a_text() -> None:
    """One in 256 of model files has such a one: what 'rulebot train' printed was refused."""
    assert tree_of("a: 0b5076bd959d") == {"a": "0b5076bd959d"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a: \xff", "RB101"),
        ("a: 1".encode("utf-16"), "RB101"),
        ("a: 1".encode("utf-32"), "RB101"),
        (b"a: \x00", "RB102"),
        ("a: \u2028".encode(), "RB102"),
        (b'a: "\\u202e"', "RB102"),
        ("a: so\u00adft".encode(), "RB102"),
        ("a: \u061c1".encode(), "RB102"),
        ("a: b\u2060".encode(), "RB102"),
        ("a: b\U000e0041".encode(), "RB102"),
        (b'a: "\\ud800"', "RB102"),
        (b'a: "\\UFFFFFFFF"', "RB103"),
        (b"a:\n\t- 1", "RB104"),
        (b"", "RB105"),
        (b"a: 1\n---\nb: 2", "RB105"),
        (b"%YAML 1.1\n---\na: 1", "RB106"),
        (b"%TAG ! tag:x,2000:\n---\na: 1", "RB106"),
        (b"a: &x 1", "RB107"),
        (b"a: *x", "RB107"),
        (b"*x : 1", "RB107"),
        (b"<<: {a: 1}", "RB107"),
        (b"a: !!str 1", "RB107"),
        (b"a: ! 1", "RB107"),
        (b"a: 1\na: 2", "RB108"),
        (b"a: " + b"x" * 1990 + b"\n   y" * 10, "RB109"),
        (b"[" * 1000, "RB109"),
        (b"# " + b"x" * 300_000, "RB109"),
        (b"- 1\n" * 6000, "RB109"),
        (b"? [a]\n: 1", "RB110"),
    ],
)
def test_what_is_refused(content: bytes, code: str) -> None:
    assert codes_of(content)[0] == code


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a:\n\tb: 1", "there is a tab where spaces indent"),
        (b"a:\n  -\tb: 1", "there is a tab where spaces indent"),
        (b"a:\t1", "there is a tab between words"),
        (b"a: b\tc", "there is a tab between words"),
        (b'"a"\nb: 1', "the line above this is no key"),
    ],
)
def test_what_is_no_yaml_is_reported_in_plain_words(content: bytes, said: str) -> None:
    assert [one.message for one in read_source(content, "spec.yaml").problems] == [said]


def test_nesting_up_to_the_limit_is_read() -> None:
    assert codes_of(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) == []
    assert codes_of(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)) == ["RB109"]


def test_a_repeated_key_names_both_places() -> None:
    (problem,) = read_source(b"a: 1\nb: 2\na: 3\n", "spec.yaml").problems
    assert (problem.line, problem.col) == (3, 1)
    assert problem.help is not None
    assert "1:1" in problem.help


def test_problems_of_one_file_come_together() -> None:
    assert codes_of(b"a: 010\nb: &x 1\nb: 2\n") == ["RB151", "RB107", "RB108"]
