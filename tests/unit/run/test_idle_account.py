"""An account document in the folder of the specs: who names the folder means it, who names one spec does not."""

import shutil
from pathlib import Path

import pytest

from engine.run.desk import load_desk
from engine.run.doctor.texts import found_desk
from engine.spec.shipped import shipped

ACCOUNT = "rulebot_account: 1\nabout: x\naccount: DU1234567\nrisk: {max_open: 1}\n"


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "specs"
    folder.mkdir()
    shutil.copy(shipped("specs/put_lite.yaml"), folder)
    (folder / "account.yaml").write_text(ACCOUNT)
    monkeypatch.chdir(tmp_path)
    return folder


def test_one_that_does_not_count_is_told(specs: Path) -> None:
    """The bot ran without its limits, and nothing said that the file which lay there was passed over."""
    desk = load_desk(["specs/put_lite.yaml"], {}, None)
    assert (desk.account, desk.idle_account_file) == (None, Path("specs/account.yaml"))
    (found,) = (each for each in found_desk(["specs/put_lite.yaml"], {}, None)[1] if each.name == "account document")
    assert (
        found.mend
        == "specs/account.yaml lies among the specs, where it counts if it is named: --account specs/account.yaml"
    )
    assert load_desk(["specs"], {}, None).idle_account_file is None
    (specs.parent / "account.yaml").write_text(ACCOUNT)
    assert load_desk(["specs/put_lite.yaml"], {}, None).idle_account_file is None
