"""The training function of ``study.yaml``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from config import Phase2Config
from training import train_phase2

from initrules.ablation.training import Initialise, Log


def train(initialise: Initialise, seed: int, log: Log, **options: Any) -> dict[str, float]:
    """One run of Phase 2; ``options`` are fields of ``Phase2Config``."""
    return train_phase2(Phase2Config(seed=seed, **options), log, initialise)
