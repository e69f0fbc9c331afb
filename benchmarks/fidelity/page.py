"""docs/fidelity.md and its curve, out of what was measured."""

from collections.abc import Iterable, Sequence
from math import log

from benchmarks.fidelity.figure import Figure, table
from benchmarks.fidelity.indices import Replica
from rulebot.adapters.history.session import Severity

_HEAD = """# How near the past comes

Measured on data that is not part of this project and may not be shipped: chains of three vendors, Lean's sample data,
daily bars, month-end levels of Cboe's strategy indices. `python -m benchmarks.fidelity FOLDER` repeats it on a folder
with that data, and writes this page. [history-data.md](history-data.md) says how the model works.
"""
_INDICES = """## Cboe's strategy indices, replicated on the model

The bots in [examples/index](../examples/index/cboe_put.yaml) are backtested from January 1999 to December 2015 on the
modelled market, which knows nothing of the indices and no option price of those years. Fills at the middle. Trades and
holdings become an index by Cboe's methodology. Monthly returns are compared with the published ones; beta is the slope
of ours on theirs.
"""
_COLOURS = {"PUT": "#1f6fb4", "BXM": "#c23b22", "BXMD": "#2a8c4a", "CNDR": "#8a5fb0"}


def page(
    chains: Sequence[Figure],
    model: Sequence[Figure],
    replicas: Sequence[Replica],
    found: Iterable[tuple[str, str, str, int]],
) -> str:
    """Return the page."""
    parts = [_HEAD, _INDICES, table([each.figure() for each in replicas]), ""]
    parts += ["![Our own curves, 100 in January 1999, a logarithmic scale](fidelity.svg)", ""]
    parts += ["## The model", "", table(list(model)), "", "## Real chains", "", table(list(chains)), ""]
    parts += ["## Sessions read, and refused", "", "| data | severity | what | days or findings |"]
    kept = [each for each in found if each[1] in ("", Severity.REFUSED.value)]
    parts += [
        "|---|---|---|---|",
        *(f"| {words} | {severity} | {what} | {count or ''} |" for words, severity, what, count in kept),
    ]
    return "\n".join(parts) + "\n"


def curves(replicas: Sequence[Replica], width: int = 720, height: int = 320) -> str:
    """Return our curves as SVG, on a logarithmic scale."""
    months = sorted({month for each in replicas for month in each.curve})
    levels = [log(level) for each in replicas for level in each.curve.values()]
    low, high = min(levels), max(levels)

    def point(month: str, level: float) -> str:
        x = 40 + (width - 110) * months.index(month) / (len(months) - 1)
        y = 15 + (height - 45) * (high - log(level)) / (high - low)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="11">',
        "<title>Replicated strategy indices, our own curves, modelled</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for year in range(int(months[0][:4]), int(months[-1][:4]) + 1, 2):
        x = point(f"{year}-12", 100.0).partition(",")[0]
        parts.append(f'<text x="{x}" y="{height - 8}" text-anchor="middle" fill="#555">{year}</text>')
    for value in (75, 100, 150, 200, 300):
        if low <= log(value) <= high:
            y = point(months[0], float(value)).partition(",")[2]
            parts.append(
                f'<path d="M40 {y}H{width - 70}" stroke="#ddd"/><text x="4" y="{y}" fill="#555">{value}</text>'
            )
    for each in replicas:
        line = " ".join(point(month, level) for month, level in each.curve.items())
        last = point(months[-1], each.curve[months[-1]]).split(",")
        colour = _COLOURS[each.name]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
        parts.append(f'<text x="{float(last[0]) + 6:.1f}" y="{last[1]}" fill="{colour}">{each.name}</text>')
    return "\n".join((*parts, "</svg>")) + "\n"
