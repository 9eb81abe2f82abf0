"""Write the golden plans anew: ``python tests/golden/regenerate.py``, then read the diff."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from reference import ALL, GOLDEN, written  # the folder above has to be found first

if __name__ == "__main__":
    for stale in GOLDEN.glob("*.json"):
        stale.unlink()
    for reference in ALL:
        reference.golden.write_text(written(reference.plan(reference.model())), encoding="utf-8")
