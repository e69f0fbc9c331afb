"""Which code this is: known by its sources, wherever they stand."""

from pathlib import Path

from rulebot.process.processes import code_digest


def _written(folder: Path, commission: str) -> str:
    (folder / "fill").mkdir(parents=True)
    (folder / "calendars").mkdir()
    (folder / "fill" / "commission.py").write_text(f"EACH = {commission}\n")
    (folder / "calendars" / "fomc.json").write_text("{}")
    (folder / "fill" / "commission.pyc").write_text(str(folder))
    return code_digest(folder)


def test_code_is_known_by_its_sources_wherever_they_stand(tmp_path: Path) -> None:
    here, there, other = (
        _written(tmp_path / name, cost) for name, cost in (("a", "0.65"), ("b", "0.65"), ("c", "6.5"))
    )
    assert here == there != other
    moved = tmp_path / "b" / "fill" / "commission.py"
    moved.rename(moved.with_name("fees.py"))
    assert code_digest.__wrapped__(tmp_path / "b") != here
    assert code_digest(tmp_path / "b") == here, "what a process has loaded stays as it was"
