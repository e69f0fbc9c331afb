"""Goals 1 to 3: whole processes from a cold start, ours beside those that do the nearest thing."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.anchors import anchor, environment, install
from benchmarks.measure import Goal, alternate, process_seconds
from rulebot.spec.files import shipped

ROUNDS = 9
CLICK_GROUP = (
    "import click\n@click.group()\ndef group(): 'A group.'\n"
    "@group.command()\ndef validate(): 'Check.'\ngroup(['--help'])"
)


def measure() -> list[Goal]:
    """Return the goals of the command line."""
    env = environment()
    rulebot = str(Path(sys.executable).with_name("rulebot"))
    with TemporaryDirectory() as folder:
        files = _hundred_specs(Path(folder))
        own = {
            "one": lambda: process_seconds([rulebot, "validate", files[0]], env),
            "hundred": lambda: process_seconds([rulebot, "validate", *files], env),
            "help": lambda: process_seconds([rulebot, "--help"], env),
        }
        others = {"group": lambda: process_seconds([sys.executable, "-c", CLICK_GROUP], env)}
        has_anchors = install("check-jsonschema", "click")
        if has_anchors:
            check = [str(anchor("check-jsonschema")), "--schemafile", str(shipped("schemas") / "strategy.schema.json")]
            others["check one"] = lambda: process_seconds([*check, files[0]], env)
            others["check hundred"] = lambda: process_seconds([*check, *files], env)
        found = alternate({**own, **others}, ROUNDS)

    def against(name: str) -> float | None:
        return found.ratio(name, f"check {name}") if has_anchors else None

    def spent(*names: str) -> str:
        return ", ".join(f"{name} {found.median(name) * 1e3:.0f} ms" for name in names if name in found.kept)

    how = "whole processes, bytecode kept, the same files and schema"
    return [
        Goal("1", "`validate` of one spec beside `check-jsonschema`", how, against("one"), floor=0.45, stretch=0.3,
             note=spent("one", "check one")),
        Goal("2", "`validate` of 100 specs beside `check-jsonschema`", how, against("hundred"), floor=0.7, stretch=0.3,
             note=spent("hundred", "check hundred")),
        Goal("3", "`--help` beside a bare click group", "whole processes", found.ratio("help", "group"), floor=1.5,
             stretch=1.1, note=spent("help", "group")),
    ]  # fmt: skip


def _hundred_specs(folder: Path) -> list[str]:
    text = (shipped("specs") / "dte0_condor.yaml").read_text(encoding="utf-8")
    files = []
    for number in range(100):
        file = folder / f"spec_{number:03d}.yaml"
        file.write_text(text.replace("name: dte0_condor", f"name: spec_{number:03d}"), encoding="utf-8")
        files.append(str(file))
    return files
