"""Random orthogonal matrices."""

from __future__ import annotations

import numpy as np
import torch

from initrules.resetting import one_thread


def orthogonal(normal: torch.Tensor, gain: float) -> torch.Tensor:
    """A Haar-distributed matrix with orthonormal rows times ``gain``, from one of independent N(0, 1) entries.

    Shape: (few, many), on the CPU. ``normal`` is used up. A real matrix need not be decomposed: the
    reflections that its decomposition would use have directions that are normal themselves, and are
    drawn instead.
    Source: Stewart 1980, "The efficient generation of random orthogonal matrices with an application to
    condition estimators", sec. 3; for complex ones Mezzadri 2007, sec. 5.
    """
    with one_thread():  # blocked matrix routines round differently on more of them
        if normal.is_complex():
            unitary, triangle = torch.linalg.qr(normal.mH)
            matrix: torch.Tensor = (unitary * triangle.diagonal().sgn() * gain).mH
            return matrix
        directions = normal.triu_().numpy()  # row k is the direction of reflection k: its first k entries are zero
        lengths = np.sqrt(np.einsum("ij,ij->i", directions, directions))
        leading = directions.diagonal().copy()
        pivots = leading + np.copysign(lengths, leading)
        directions /= pivots[:, None]
        columns = normal.mT  # as the routine wants them, so that it works in place
        torch.linalg.householder_product(columns, torch.from_numpy(np.abs(pivots) / lengths), out=columns)
        return columns.mul_(torch.from_numpy(np.copysign(gain, -leading))).mT
