"""The texts that `rulebot diff --seeds` runs in other processes."""

import pickle
import shutil
from pathlib import Path

from rulebot.compare.git_revisions import side_of
from rulebot.compare.spec_comparison import desk_of, whole
from rulebot.spec.files import shipped


def test_a_bot_that_extends_another_goes_to_another_process_as_a_whole(tmp_path: Path) -> None:
    shutil.copy(shipped("specs") / "put_lite.yaml", tmp_path / "put_lite.yaml")
    child = tmp_path / "early.yaml"
    child.write_text(
        "rulebot: 1\nname: early\nabout: In the morning.\nextends: put_lite\n"
        'entry: {window: {from: "09:45", to: "10:15"}}\n'
    )
    (text,) = side_of(str(child))
    there = pickle.loads(pickle.dumps(whole(text)))
    (bot,) = desk_of(there).bots.values()
    assert [str(each.start) for each in bot.plan.entry.windows] == ["09:45"]
    assert [rule.rule.name for rule in bot.when][:1] == ["iv_over_rv"]
