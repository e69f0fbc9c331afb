"""Strokes, letters, panels and frames of SVG."""

import pytest

from rulebot.drawing import Panel, across, circle, frame, padded, polyline, rect, steps, style, text


def test_words_are_escaped_wherever_they_stand() -> None:
    assert text(1, 2.25, "a < b", "end", "soft") == '<text class="soft" x="1" y="2.2" text-anchor="end">a &lt; b</text>'
    assert "<title>a &amp; b</title></circle>" in circle("tip", 1.0, 2.0, 5, "a & b")
    assert "<title>a &amp; b</title></rect>" in rect("gain", 1.0, 2.0, (5, 6), "a & b")
    assert 'aria-label="a &amp; b"' in frame("payoff", "0 0 1 1", "a & b", ())


def test_a_style_is_brought_only_by_what_is_on_no_page() -> None:
    assert "<style>" not in frame("payoff", "0 0 1 1", "x", ["<g/>"])
    assert frame("payoff", "0 0 1 1", "x", ["<g/>"], is_alone=True).endswith(f"<style>{style()}</style><g/></svg>")


def test_whole_places_stay_whole_and_others_have_one_digit() -> None:
    assert across("grid", 84, 848, 12.34) == '<line class="grid" x1="84" x2="848" y1="12.3" y2="12.3"/>'
    assert polyline("line", [(1, 2.0), (3.25, 4)]) == '<polyline class="line" points="1,2 3.2,4"/>'


def test_values_stand_between_the_edges_of_their_panel() -> None:
    panel = Panel(10, 110, 20, 70, (0.0, 4.0), (-5.0, 5.0))
    assert [panel.place(*each) for each in ((0, 5), (2, 0), (4, -5))] == [(10, 20), (60, 45), (110, 70)]
    assert panel.level("axis", 0.0) == across("axis", 10, 110, 45)
    assert Panel(10, 110, 20, 70, (3.0, 3.0), (1.0, 1.0)).place(3.0, 1.0) == (10, 20)


def test_an_axis_has_its_amounts_at_round_values() -> None:
    panel = Panel(10, 110, 20, 70, (0.0, 4.0), (-1640.0, 1250.0))
    assert [each.partition(">")[2] for each in panel.amounts(lambda value: f"{value:g}") if "<text" in each] == [
        f"{value}</text>" for value in (-1000, 0, 1000)
    ]


def test_names_at_the_edges_of_a_panel_stay_within_them() -> None:
    panel = Panel(10, 110, 20, 70, (0.0, 4.0), (0.0, 1.0))
    sides = [
        each.partition('text-anchor="')[2].partition('"')[0] for each in panel.names([(0, "a"), (2, "b"), (4, "c")])
    ]
    assert sides == ["start", "middle", "end"]


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(0.0, 100.0, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]), (5.0, 5.0, [5.0]), (0.0, float("inf"), [0.0])],
)
def test_steps_are_round(low: float, high: float, found: list[float]) -> None:
    assert steps(low, high) == found


def test_there_is_room_around_values_and_around_one_alone() -> None:
    assert padded([0.0, 100.0], 0.05, 1.0) == (-5.0, 105.0)
    assert padded([400.0], 0.05, 1.0) == (396.0, 404.0)
    assert padded([], 0.05, 0.5) == (-0.5, 0.5)
