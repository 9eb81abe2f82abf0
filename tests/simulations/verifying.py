"""False alarms and misses of verify: python tests/simulations/verifying.py [MODELS] [SAMPLES]

MODELS random models (default 3,000) are initialised as their rules say and verified without the seed. Then SAMPLES
tensors (default 1,000) of each kind have a std that is 10 % off.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

import simulated
from initrules.errors import Severity
from initrules.tails import BUDGET
from initrules.testing import SUSPICION

COUNTS = [int(word) for word in sys.argv[1:]]
MODELS, SAMPLES = (COUNTS + [3000, 1000][len(COUNTS) :])[:2]


def main() -> None:
    """Print both tables."""
    alarms = {Severity.ERROR: 0, Severity.WARNING: 0}
    for number in track(range(MODELS), "correct models"):
        for severity in {problem.severity for problem in simulated.verdict_of(number).problems}:
            alarms[severity] += 1
    false = Table("correct models", "with an error", "expected", "with a warning", "expected")
    false.add_row(
        str(MODELS), str(alarms[Severity.ERROR]), f"{MODELS * BUDGET:g}", str(alarms[Severity.WARNING]),
        f"at most {MODELS * SUSPICION:g}",
    )  # fmt: skip
    found = Table("wrong tensors", "values", "std", "errors", "warnings")
    for law, elements, std in track(
        [(law, n, std) for law in ("normal", "uniform") for n in (1000, 2000) for std in (0.9, 1.1)], "wrong tensors"
    ):
        odds = [simulated.chance(std, elements, seed, law) for seed in range(SAMPLES)]
        rates = [sum(odd < budget for odd in odds) / SAMPLES for budget in (BUDGET, SUSPICION)]
        found.add_row(law, f"{elements:,}", f"{std:g} times", *(f"{rate:.1%}" for rate in rates))
    Console().print(false, found)


if __name__ == "__main__":
    main()
