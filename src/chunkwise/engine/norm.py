"""RMSNorm, of a sum that it makes first."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from chunkwise.engine.kernels import small_norm


class Norm:
    """Root Mean Square Layer Normalization (Zhang and Sennrich 2019), with a weight for each of [width]."""

    def __init__(self, weight: Tensor, epsilon: float) -> None:
        self.weight, self.epsilon = weight, epsilon

    def __call__(self, x: Tensor, more: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """X [t, width], with `more` added if any, and the norm of that."""
        if (found := small_norm(x, more, self.weight, self.epsilon)) is not None:
            return found
        x = x if more is None else x + more
        return x, functional.rms_norm(x, self.weight.shape, self.weight, self.epsilon)
