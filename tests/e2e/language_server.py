"""A client of yaml-language-server, the program behind YAML in most editors: JSON-RPC over its standard streams."""

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from queue import Queue
from typing import Any

PATIENCE = 60.0


def server_command() -> list[str] | None:
    """Return how to start the server: RULEBOT_YAML_LANGUAGE_SERVER, else what is installed here; None without it."""
    named = os.environ.get("RULEBOT_YAML_LANGUAGE_SERVER")
    here = Path("node_modules", ".bin", "yaml-language-server")
    found = named or shutil.which("yaml-language-server") or (str(here) if here.exists() else None)
    return [found, "--stdio"] if found and shutil.which("node") else None


class Editor:
    """An editor with one document open at a time."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        self.answers: Queue[dict[str, Any]] = Queue()
        self.problems: Queue[dict[str, Any]] = Queue()
        self.number = 0
        threading.Thread(target=self._read, daemon=True).start()
        root = folder.as_uri()
        self.ask("initialize", processId=None, rootUri=root, capabilities={}, workspaceFolders=None)
        self._send(method="initialized", params={})

    def open(self, file: Path) -> list[str]:
        """Open a document; return what the server complains of."""
        item = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": file.read_text(encoding="utf-8")}
        self._send(method="textDocument/didOpen", params={"textDocument": item})
        while (found := self.problems.get(timeout=PATIENCE))["uri"] != file.as_uri():
            pass
        return [str(problem["message"]) for problem in found["diagnostics"]]

    def complete(self, file: Path, line: int, col: int) -> dict[str, str]:
        """Return what is offered at a place, with what is said of it. Units: line and column count from 0."""
        answer = self.ask("textDocument/completion", **_place(file, line, col))
        items = answer["items"] if isinstance(answer, dict) else answer
        return {str(item["label"]): str(item.get("documentation", "")) for item in items}

    def hover(self, file: Path, line: int, col: int) -> str:
        """Return what is shown of what stands at a place."""
        answer = self.ask("textDocument/hover", **_place(file, line, col))
        return str(answer["contents"]["value"]) if answer else ""

    def ask(self, method: str, **params: Any) -> Any:
        """Return the server's answer to a request."""
        self.number += 1
        self._send(id=self.number, method=method, params=params)
        while (answer := self.answers.get(timeout=PATIENCE)).get("id") != self.number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def close(self) -> None:
        """End the server."""
        self.process.kill()
        self.process.wait()

    def _send(self, **message: Any) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
        self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while header := self.process.stdout.readline():
            length = int(header.partition(b":")[2])
            while self.process.stdout.readline().strip():
                pass
            self._take(json.loads(self.process.stdout.read(length)))

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("method") == "textDocument/publishDiagnostics":
            self.problems.put(message["params"])
        elif "method" not in message:
            self.answers.put(message)
        elif "id" in message:  # it asks for the settings of the editor: none
            count = len(message["params"].get("items", ())) if isinstance(message.get("params"), dict) else 0
            self._send(id=message["id"], result=[None] * count)


def _place(file: Path, line: int, col: int) -> dict[str, Any]:
    return {"textDocument": {"uri": file.as_uri()}, "position": {"line": line, "character": col}}
