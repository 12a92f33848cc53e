"""What it is worth to keep a run of keys and values: the least goes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chunkwise.engine.kv.tree import Node

Policy = Callable[["Node", float], float]
"""The worth of a node, asked whenever it is used; the second argument is the worth of the one that went last."""


def lru(node: Node, floor: float) -> float:
    """The least recently used goes first."""
    return node.used


def value(even: float = 4096) -> Policy:
    """How often a node was used times what computing it anew costs per byte; what went unused for long sinks.

    A token costs the linear layers, and attention over all before it, so that a late one is worth more than an early
    one. even: where attention costs as much as the linear layers, parameters / (2 * layers * width) tokens. Ages as in
    "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy": what is used is worth its value
    above the worth of what went last.
    """
    return lambda node, floor: floor + node.hits * (1 + (node.stop - len(node.tokens) / 2) / even)
