"""The shared primitives over arrays: gain, cut, search; and the selectors composed of them."""

from chunkwise.select.cut import nucleus
from chunkwise.select.gain import Coverage, Gain, Relevance
from chunkwise.select.search import by_position, greedy

__all__ = ["Coverage", "Gain", "Relevance", "by_position", "greedy", "nucleus"]
