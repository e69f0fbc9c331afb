"""@stoqey/ib (Node) against the gateway; runs where node and the package are present.

The package is found as Node finds it: `npm install @stoqey/ib` in any folder above, or NODE_PATH.
"""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from raw_client import gateway, run

SCRIPT = Path(__file__).parent / "stoqey" / "combo.cjs"
NODE = shutil.which("node")


def _has_package():
    if NODE is None:
        return False
    asked = [NODE, "-e", "require.resolve('@stoqey/ib')"]
    return subprocess.run(asked, check=False, capture_output=True, timeout=20, cwd=SCRIPT.parent).returncode == 0


@pytest.mark.skipif(not _has_package(), reason="node or the package @stoqey/ib is not installed")
@pytest.mark.parametrize("accounts", [(), ("DU1111111", "DU2222222")], ids=["one account", "two accounts"])
def test_a_combo_is_placed_filled_and_another_cancelled(accounts):
    named = {"account": accounts[0], "more_accounts": accounts[1:]} if accounts else {}
    tail = f" {accounts[1]}" if accounts else ""

    async def main():
        async with gateway(speed=600.0, **named) as running:
            command = [NODE, str(SCRIPT), str(running.port), "20251124", "5890", *accounts[1:]]
            script = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
            out, err = await asyncio.wait_for(script.communicate(), 60)
            assert script.returncode == 0, err.decode()
            words = out.decode().split("\n")
            assert words[:2] == ["filled", "cancelled"]
            assert sorted(words[2:4]) == [f"position 5880 1{tail}", f"position 5890 -1{tail}"]

    run(main)
