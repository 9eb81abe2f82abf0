"""A world small enough to know everything about: one robot opens gates for two humans.

Each human lives in a fenced yard of three cells in a row, with a gate between neighbouring cells.
The robot stands beside one of the yards. It can idle, open the next gate of that yard, which
succeeds with ``OPENS``, or go to the other side. In each step the outermost open gate of a yard
falls shut with ``SHUTS``. A human walks one cell towards its goal, or with ``SLIP`` anywhere, if the
gate between was open when the step began; the robot does not know the goals, all are equally likely.

A state is (cell of human 0, cell of human 1, open gates of yard 0, of yard 1, side of the robot):
162 of them, in this order, the last index fastest. All probabilities are exact and dense.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HUMANS, CELLS, SIDES = 2, 3, 2
GOALS = CELLS  # a goal is a cell to stand in
GATES = CELLS  # how many gates are open: 0, 1 or 2
MOVES = (-1, 0, 1)  # what a human can do
IDLE, OPEN, CROSS = ROBOT_ACTIONS = (0, 1, 2)
SHAPE = (CELLS, CELLS, GATES, GATES, SIDES)
STATES = CELLS**2 * GATES**2 * SIDES
START = 0  # both humans in their innermost cell, every gate shut, the robot beside yard 0

OPENS = (0.95, 0.60)  # by yard: the second is harder to keep open
SHUTS = (0.10, 0.25)
SLIP = 0.1


@dataclass(frozen=True, slots=True)
class World:
    """All there is to know, as arrays.

    ``transitions[h, g, a]``: state to state, when human ``h`` pursues goal ``g`` and the robot does
    ``a``; the other human pursues any goal. ``moving[h, m]``: the same when human ``h`` makes move
    ``m`` and the robot does anything. ``reached[h, g]``: 1 in the states where ``h`` stands at ``g``.
    ``images``: the states as (channel, yard, cell).
    """

    transitions: Array  # (HUMANS, GOALS, ROBOT_ACTIONS, STATES, STATES)
    moving: Array  # (HUMANS, MOVES, STATES, STATES)
    reached: Array  # (HUMANS, GOALS, STATES)
    images: Array  # (STATES, 3, HUMANS, CELLS)

    def robot_transitions(self) -> Array:
        """State to state for each robot action, (ROBOT_ACTIONS, STATES, STATES): nobody's goal is known."""
        mean: Array = self.transitions[0].mean(axis=0)
        return mean


@functools.cache
def world() -> World:
    """The one world of this study; built once."""
    walks = _walks()
    towards = np.einsum("gcm,mnce->gnce", _intentions(), walks)
    anywhere = towards.mean(axis=0)
    transitions = np.stack([
        np.stack([_joint(one, anywhere) for one in towards]),
        np.stack([_joint(anywhere, one) for one in towards]),
    ])  # fmt: skip
    moving = np.stack([
        np.stack([_joint(one, anywhere).mean(axis=0) for one in walks]),
        np.stack([_joint(anywhere, one).mean(axis=0) for one in walks]),
    ])  # fmt: skip
    cells = _coordinates()[:HUMANS]
    reached = (cells[:, None] == np.arange(GOALS)[None, :, None]).astype(float)
    return World(transitions, moving, reached, _images())


def _joint(first: Array, second: Array) -> Array:
    """(ROBOT_ACTIONS, STATES, STATES), from how each human moves: (gates, cell, next cell)."""
    yards = [_gates(yard) for yard in range(HUMANS)]
    # c d: cells, m n: open gates, s: side, a: robot action; capitals: afterwards
    every = np.einsum("mcC,ndD,asmM,asnN,asS->acdmnsCDMNS", first, second, *yards, _sides(), optimize=True)
    joint: Array = every.reshape(len(ROBOT_ACTIONS), STATES, STATES)
    return joint


def _sides() -> Array:
    """(ROBOT_ACTIONS, side, next side)."""
    stay, swap = np.eye(SIDES), np.eye(SIDES)[::-1]
    return np.stack([swap if action == CROSS else stay for action in ROBOT_ACTIONS])


def _gates(yard: int) -> Array:
    """(ROBOT_ACTIONS, side, open gates, open gates afterwards): the robot opens one, then one falls shut."""
    opened, shut = np.eye(GATES), np.eye(GATES)
    for gates in range(GATES - 1):
        opened[gates, [gates, gates + 1]] = 1 - OPENS[yard], OPENS[yard]
        shut[gates + 1, [gates + 1, gates]] = 1 - SHUTS[yard], SHUTS[yard]
    steps = np.tile(shut, (len(ROBOT_ACTIONS), SIDES, 1, 1))
    steps[OPEN, yard] = opened @ shut
    return steps


def _walks() -> Array:
    """(MOVES, open gates, cell, next cell): a shut gate or the fence stops a human."""
    steps = np.zeros((len(MOVES), GATES, CELLS, CELLS))
    for index, move in enumerate(MOVES):
        for gates in range(GATES):
            for cell in range(CELLS):
                wanted = min(max(cell + move, 0), CELLS - 1)
                passable = max(cell, wanted) <= gates  # gate k stands before cell k, and they open in order
                steps[index, gates, cell, wanted if passable else cell] = 1
    return steps


def _intentions() -> Array:
    """(goal, cell, MOVES): the probability of each move."""
    towards = np.sign(np.arange(GOALS)[:, None] - np.arange(CELLS)[None, :])
    chances: Array = (1 - SLIP) * np.eye(len(MOVES))[towards + 1] + SLIP / len(MOVES)
    return chances


def _coordinates() -> NDArray[np.int64]:
    """(5, STATES): for each state its cells, open gates and side."""
    return np.stack(np.unravel_index(np.arange(STATES), SHAPE))


def _images() -> Array:
    """Channel 0: where the humans stand; 1: which gates are open; 2: where the robot is."""
    first, second, left, right, side = _coordinates()
    images = np.zeros((STATES, 3, HUMANS, CELLS))
    for yard, (cell, gates) in enumerate(((first, left), (second, right))):
        images[np.arange(STATES), 0, yard, cell] = 1
        images[:, 1, yard] = (np.arange(CELLS) > 0) & (np.arange(CELLS) <= gates[:, None])
        images[side == yard, 2, yard] = 1
    return images
