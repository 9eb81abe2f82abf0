"""Runs the benchmark programs and puts what they print into docs/performance.md: python tests/benchmarks/documenting.py

Run it on a machine with nothing else to do. With names of programs, only these.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "performance.md"


def machine() -> str:
    """The processor and the versions."""
    facts = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", facts.read_text(encoding="utf-8")) if facts.exists() else None
    model = found[1].strip() if found else platform.processor()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"
    return f"{os.cpu_count()} cores of {model}; {versions}"


def measured(program: str) -> str:
    """What a program prints on a terminal of 110 columns."""
    environment = {**os.environ, "COLUMNS": "110"}
    done = subprocess.run([sys.executable, HERE / program], capture_output=True, check=True, text=True, env=environment)
    return "\n".join(line.rstrip() for line in done.stdout.splitlines())


def put(page: str, program: str, text: str) -> str:
    """The page with the block of a program replaced."""
    marker = f"<!-- measured: {program} -->\n"
    before, after = page.split(marker)
    _, rest = after.removeprefix("```text\n").split("```\n", 1)
    return f"{before}{marker}```text\n{machine()}\n{text}\n```\n{rest}"


def main() -> None:
    """Run the programs that the page has a block for."""
    page = PAGE.read_text(encoding="utf-8")
    for program in re.findall(r"<!-- measured: (\S+) -->", page):
        if len(sys.argv) == 1 or program in sys.argv[1:]:
            page = put(page, program, measured(program))
            PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
