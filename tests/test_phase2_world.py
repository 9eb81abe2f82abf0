"""The small world of Phase 2, against numbers from its description and a plain second telling of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from world import (
    CELLS,
    CROSS,
    GOALS,
    HUMANS,
    IDLE,
    MOVES,
    OPEN,
    OPENS,
    ROBOT_ACTIONS,
    SHAPE,
    SHUTS,
    SLIP,
    START,
    STATES,
    world,
)

State = tuple[int, ...]  # cell, cell, open gates, open gates, side


def index(state: State) -> int:
    return int(np.ravel_multi_index(state, SHAPE))


def yard(gates: int, opens: float, shuts: float) -> dict[int, float]:
    """Where the open gates of a yard are after a step, by probability."""
    found: dict[int, float] = {}
    for opened, p in ((min(gates + 1, 2), opens), (gates, 1 - opens)):
        for left, q in ((max(opened - 1, 0), shuts), (opened, 1 - shuts)):
            found[left] = found.get(left, 0) + p * q
    return found


def walker(cell: int, gates: int, goal: int) -> dict[int, float]:
    """Where a human is after a step, by probability."""
    found: dict[int, float] = {}
    for move in MOVES:
        p = SLIP / 3 + (1 - SLIP if move == (goal > cell) - (goal < cell) else 0)
        there = cell + move
        stopped = there not in range(CELLS) or max(cell, there) > gates
        found[cell if stopped else there] = found.get(cell if stopped else there, 0) + p
    return found


def told(state: State, human: int, goal: int, action: int) -> dict[State, float]:
    """The next states and their probabilities, told step by step."""
    cells, gates, side = state[:2], state[2:4], state[4]
    found: dict[State, float] = {}
    opened = [yard(gates[h], OPENS[h] if action == OPEN and side == h else 0, SHUTS[h]) for h in range(HUMANS)]
    for other in range(GOALS):
        goals = (goal, other) if human == 0 else (other, goal)
        walked = [walker(cells[h], gates[h], goals[h]) for h in range(HUMANS)]
        for (c, p), (d, q), (m, r), (n, s) in itertools.product(*(one.items() for one in (*walked, *opened))):
            after = (c, d, m, n, 1 - side if action == CROSS else side)
            found[after] = found.get(after, 0) + p * q * r * s / GOALS
    return found


@pytest.mark.parametrize("action", ROBOT_ACTIONS)
def test_transitions_are_those_of_the_telling(action: int) -> None:
    states = list(itertools.product(*map(range, SHAPE)))
    chosen = np.random.default_rng(action).choice(STATES, 25, replace=False)
    for (human, goal), state in itertools.product(itertools.product(range(HUMANS), range(GOALS)), chosen):
        row = np.zeros(STATES)
        for after, p in told(states[state], human, goal, action).items():
            row[index(after)] += p
        assert np.allclose(world().transitions[human, goal, action, state], row, atol=1e-15)


@pytest.mark.parametrize(
    ("state", "action", "after", "probability"),
    [
        pytest.param((0, 0, 0, 0, 0), IDLE, (0, 0, 0, 0, 0), 1, id="all shut, nothing happens"),
        pytest.param((0, 0, 0, 0, 0), OPEN, (0, 0, 1, 0, 0), 0.95 * 0.9, id="opened and not fallen shut"),
        pytest.param((0, 0, 0, 0, 1), OPEN, (0, 0, 0, 1, 1), 0.6 * 0.75, id="the other side is harder"),
        pytest.param((0, 0, 0, 0, 1), CROSS, (0, 0, 0, 0, 0), 1, id="back"),
        pytest.param((0, 2, 0, 0, 0), OPEN, (0, 2, 0, 0, 0), 0.05 + 0.95 * 0.1, id="a human behind a shut gate stays"),
    ],
)
def test_robot_transition(state: State, action: int, after: State, probability: float) -> None:
    assert world().robot_transitions()[action, index(state), index(after)] == pytest.approx(probability)


def test_every_row_is_a_distribution() -> None:
    for table in (world().transitions, world().moving):
        assert table.min() >= 0
        assert np.allclose(table.sum(axis=-1), 1)


def test_the_robot_sees_the_same_whichever_human_is_asked() -> None:
    assert np.allclose(world().transitions[0].mean(axis=0), world().transitions[1].mean(axis=0))


def test_moving_is_what_transitions_are_made_of() -> None:
    """A human that slips in every step makes each move equally often."""
    anywhere = world().moving.mean(axis=1)
    by_goal = world().transitions.mean(axis=2)
    cell = np.stack(np.unravel_index(np.arange(STATES), SHAPE))[:HUMANS]
    for human, goal in itertools.product(range(HUMANS), range(GOALS)):
        move = np.sign(goal - cell[human]) + 1
        intended = world().moving[human, move, np.arange(STATES)]
        assert np.allclose(by_goal[human, goal], (1 - SLIP) * intended + SLIP * anywhere[human])


def test_images_tell_states_apart() -> None:
    images = world().images
    assert images.shape == (STATES, 3, HUMANS, CELLS)
    assert len(np.unique(images.reshape(STATES, -1), axis=0)) == STATES
    first = images[START]
    assert first[0].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert not first[1].any()
    assert first[2].tolist() == [[1, 1, 1], [0, 0, 0]]
    open_gates = images[index((1, 2, 1, 2, 1))]
    assert open_gates[1].tolist() == [[0, 1, 0], [0, 1, 1]]


def test_reached() -> None:
    state = index((1, 2, 1, 2, 1))
    assert world().reached[:, :, state].tolist() == [[0, 1, 0], [0, 0, 1]]
