"""Random orthogonal matrices."""

from __future__ import annotations

import torch

from initrules.resetting import one_thread


def orthogonal(normal: torch.Tensor) -> torch.Tensor:
    """A Haar-distributed matrix with orthonormal rows, (few, many), from one of independent N(0, 1) entries.

    ``normal`` is used up. A random matrix need not be decomposed: the reflections that its decomposition
    would use have directions that are normal themselves, and are drawn instead. Complex matrices are.
    Source: Stewart 1980, "The efficient generation of random orthogonal matrices with an application to
    condition estimators", sec. 3; for complex ones Mezzadri 2007, sec. 5.
    """
    with one_thread():  # blocked matrix routines round differently on more of them
        if normal.is_complex():
            unitary, triangle = torch.linalg.qr(normal.mH)
            matrix: torch.Tensor = (unitary * triangle.diagonal().sgn()).mH
            return matrix
        directions = normal.triu_()  # row k is the direction of reflection k, of which k entries are zero
        lengths = torch.linalg.vector_norm(directions, dim=1)
        leading = directions.diagonal().clone()
        signs = torch.where(leading < 0, -1.0, 1.0).to(normal.dtype)
        pivots = leading + signs * lengths
        taus = pivots.abs() / lengths
        directions /= pivots[:, None]
        product: torch.Tensor = torch.linalg.householder_product(directions.mT, taus)
        return product.mul_(-signs).mT
