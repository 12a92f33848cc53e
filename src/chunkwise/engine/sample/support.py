"""What must be true: tokens that no law can do without that the output matrix cannot tell from the model's."""

from __future__ import annotations

import numpy as np

from chunkwise.engine.sample.language import Doubles
from chunkwise.engine.sample.transform import Transform, probabilities, strike
from chunkwise.errors import UserError
from chunkwise.select.arrays import Array, namespace


def certified(output: Doubles, tau: float, most: int, rank: int) -> Transform:
    """Keeps a token where every law p gives it a share that has p <= model / (1 - tau) and the model's mean output row.

    output [vocab, width]: the matrix that makes logits. A token of probability above tau is always such a one; the
    `most` likeliest of the others are each put to a linear program, and the rest struck out, save the best token.
    Source: Finlayson et al., Closing the Curious Case of Neural Text Degeneration. Raises UserError without SciPy.
    """
    try:
        from scipy.optimize import linprog
    except ImportError as error:
        raise UserError("basis-aware needs SciPy: pip install 'chunkwise[programs]'") from error
    if not 0 < tau < 1:
        raise UserError(f"tau lies between 0 and 1, not at {tau}")
    matrix = np.asarray(output, dtype=np.float64)
    directions, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
    basis = directions[:, sizes > 1e-9 * sizes[0]][:, :rank]  # a direction of no size would tell tokens apart by chance
    rows = np.concatenate([np.ones((1, len(matrix))), basis.T])

    def needed(p: Doubles, token: int) -> bool:
        bounds = np.stack([np.zeros_like(p), p / (1 - tau)], axis=1)
        bounds[token] = 0
        return int(linprog(np.zeros_like(p), A_eq=rows, b_eq=rows @ p, bounds=bounds, method="highs").status) == 2

    def kept(logits: Array) -> Array:
        xp = namespace(logits)
        p = np.asarray(probabilities(logits), dtype=np.float64).reshape(-1, logits.shape[-1])
        keep = p > tau
        for law, row in zip(p, keep, strict=True):
            order = np.argsort(-law, kind="stable")
            row[order[0]] = True
            for token in [t for t in order if not row[t] and law[t] > 0][:most]:
                row[token] = needed(law / law.sum(), token)
        return strike(logits, xp.asarray(keep.reshape(logits.shape), device=logits.device))

    return kept
