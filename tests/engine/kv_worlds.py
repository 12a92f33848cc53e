"""Keys and values that say whose they are: each slot holds a number made of all tokens up to its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from chunkwise.engine.kv.arena import Arena, Extent
from chunkwise.engine.kv.spill import Spill
from chunkwise.engine.kv.tree import EXACT, Node, Provenance, Tree

SHAPE = {"layers": 2, "kv_heads": 1, "dim": 2}


def make(folder: Path | None = None, slots: int = 64, limit: int = 1 << 20, model: str = "model") -> Tree:
    arena = Arena(slots, **SHAPE)
    return Tree(arena, spilled=Spill(folder, arena, model, limit) if folder else None)


def arena_of(tree: Tree) -> Arena:
    assert isinstance(tree.slots, Arena)
    return tree.slots


def number(whole: Sequence[int], namespace: str, provenance: Provenance) -> int:
    """What the slot of the last of these tokens holds; 24 bits, which a float32 keeps."""
    said = f"{namespace}|{provenance}|{list(whole)}".encode()
    return int.from_bytes(hashlib.blake2b(said, digest_size=3).digest(), "little")


def numbers(whole: Sequence[int], first: int, namespace: str = "", provenance: Provenance = EXACT) -> torch.Tensor:
    """Keys and values of tokens `first` and on, as an arena takes them; the values are the keys below zero."""
    row = torch.tensor([number(whole[: at + 1], namespace, provenance) for at in range(first, len(whole))])
    kv = row.to(torch.float32)[None, None, None, :, None].repeat(2, 2, 1, 1, 2)
    kv[1] *= -1
    return kv


def add(tree: Tree, whole: Sequence[int], namespace: str = "", provenance: Provenance = EXACT, **more: str) -> Node:
    """Compute what is not held of a sequence, and let the tree have it."""
    node, length = tree.match(whole, namespace, provenance)
    tree.pin(node)
    tree.make_room(len(whole) - length)
    extents = tree.slots.allocate(len(whole) - length)
    tree.release(node)
    arena_of(tree).write(extents, numbers(whole, length, namespace, provenance))
    return tree.insert(node, np.array(whole[length:], np.int32), extents, provenance=provenance, **more)


def told(tree: Tree, node: Node) -> torch.Tensor:
    """The keys and values of the path of a node."""
    extents: list[Extent] = [extent for one in tree.path(node) for extent in one.extents]
    return arena_of(tree).read(extents)
