"""Phase 1 in the small world: value iteration against a linear solve, and a network that learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phase1
import torch
from world import GOALS, HUMANS, MOVES, STATES, Array, world

from support import isolation


def exact() -> Array:
    """Q of the best policy, by value iteration and then one linear solve for the policy that it found."""
    q: Array = np.zeros((HUMANS, GOALS, STATES, len(MOVES)))
    for _ in range(200):
        q = phase1.backup(q)
    return q


def test_value_iteration_agrees_with_a_linear_solve_for_its_policy() -> None:
    q, known = exact(), world()
    best = q.argmax(axis=-1)
    for human in range(HUMANS):
        for goal in range(GOALS):
            steps = known.moving[human, best[human, goal], np.arange(STATES)]
            reached = known.reached[human, goal]
            onward = np.eye(STATES) - phase1.GAMMA * steps * (1 - reached)
            assert np.allclose(q[human, goal].max(axis=-1), np.linalg.solve(onward, steps @ reached), atol=1e-7)


def test_everything_is_in_the_order_of_reached() -> None:
    states, goals, agents = phase1.everything()
    row = np.ravel_multi_index((1, 2, 77), (HUMANS, GOALS, STATES))
    assert torch.equal(states[row], torch.from_numpy(world().images[77]).float())
    assert (int(goals[row].argmax()), int(agents[row])) == (2, 1)


def test_training_brings_q_nearer_to_the_truth() -> None:
    with isolation():
        network = phase1.build(dropout=0.0, channels=(32,))
    before = np.abs(phase1.table(network) - exact()).mean()
    phase1.train_(network, steps=60)
    assert np.abs(phase1.table(network) - exact()).mean() < before / 2
    assert network.training


def test_a_checkpoint_is_the_same_with_any_number_of_threads(tmp_path: Path) -> None:
    """Or the runs of 'transfer' would differ between machines; two threads do give other sums."""
    saved, before = [], torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            phase1.save(tmp_path / "phase1.pt", steps=3, channels=(32,))
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
        saved.append((tmp_path / "phase1.pt").read_bytes())
    assert saved[0] == saved[1]
    assert [file.name for file in tmp_path.iterdir()] == ["phase1.pt"]
