"""Strokes, letters and frames of SVG."""

from rulebot.drawing import across, circle, frame, polyline, text


def test_words_are_escaped_wherever_they_stand() -> None:
    assert (
        text(1, 2.25, "a < b", "end", "soft") == '<text class="soft" x="1.0" y="2.2" text-anchor="end">a &lt; b</text>'
    )
    assert "<title>a &amp; b</title></circle>" in circle("tip", 1.0, 2.0, 5, "a & b")
    assert 'aria-label="a &amp; b"' in frame("payoff", "0 0 1 1", "a & b", ())


def test_a_style_is_brought_only_when_asked() -> None:
    assert "<style>" not in frame("payoff", "0 0 1 1", "x", ["<g/>"])
    assert frame("payoff", "0 0 1 1", "x", ["<g/>"], ".a{}").endswith("<style>.a{}</style><g/></svg>")


def test_whole_edges_stay_whole_and_places_have_one_digit() -> None:
    assert across("grid", 84, 848, 12.34) == '<line class="grid" x1="84" x2="848" y1="12.3" y2="12.3"/>'
    assert polyline("line", [(1, 2.0), (3.25, 4)]) == '<polyline class="line" points="1.0,2.0 3.2,4.0"/>'
