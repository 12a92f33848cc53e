"""A tree of runs of tokens: what is shared is held once, what goes is what is worth least."""

from __future__ import annotations

import numpy as np
import pytest
from kv_worlds import add, arena_of, make

from chunkwise.engine.kv.arena import ArenaFull, Extent, Slots
from chunkwise.engine.kv.policy import Policy, lru, value
from chunkwise.engine.kv.tree import EXACT, Approximate, Node, Tree
from chunkwise.errors import ChunkwiseError


def plain(slots: int = 1000, policy: Policy = lru) -> Tree:
    return Tree(Slots(slots), policy)


def put(tree: Tree, *tokens: int, chunk: str | None = None) -> Node:
    node, length = tree.match(tokens)
    return tree.insert(node, tokens[length:], tree.slots.allocate(len(tokens) - length), chunk=chunk)


def test_a_shared_prefix_is_held_once() -> None:
    tree = plain()
    first = put(tree, 1, 2, 3, 4, 5)
    second = put(tree, 1, 2, 3, 9)
    assert tree.slots.free_slots == 1000 - 6
    assert [one.tokens.tolist() for one in tree.path(first)] == [[1, 2, 3], [4, 5]]
    assert [one.extents for one in tree.path(first)] == [[Extent(0, 3)], [Extent(3, 5)]]  # split, not copied
    assert tree.path(second)[0] is tree.path(first)[0]
    assert tree.held([1, 2, 3, 4, 0]) == 4
    assert tree.nodes == 3
    assert tree.match([1, 2, 3, 4, 0]).length == 4
    tree.check()


def test_never_longer_than_asked() -> None:
    tree = plain()
    put(tree, *range(10))
    assert tree.match(range(7)) == (tree.match(range(7)).node, 7)
    assert tree.match([]).length == 0
    assert tree.match([5]).length == 0
    tree.check()


def test_what_parts_inside_a_node_does_not_go_on_behind_it() -> None:
    """1 2 is asked for where 1 0 is held and 2 follows that."""
    tree = plain()
    put(tree, 1, 0)
    put(tree, 1, 0, 2, 3)
    node, length = tree.match([1, 2, 3])
    assert length == 1
    assert node.tokens.tolist() == [1]
    tree.check()


def test_an_id_is_a_function_of_the_whole_prefix() -> None:
    """However the run was split or added, and in no other namespace or provenance."""
    at_once, by_parts = plain(), plain()
    put(at_once, 1, 2, 3, 4)
    at_once.match([1, 2])
    for n in range(1, 5):
        put(by_parts, *range(1, n + 1))
    for n in (2, 4):
        assert at_once.match(range(1, n + 1)).node.id == by_parts.match(range(1, n + 1)).node.id
    ids = {plain().root(*key).id for key in [("", EXACT), ("a", EXACT), ("", Approximate("a")), ("", Approximate(""))]}
    assert len(ids | {put(plain(), *tokens).id for tokens in [(1, 2), (2, 1), (258,), (1,)]}) == 8
    assert all(len(one) == 32 for one in ids)


def test_what_is_there_already_is_freed() -> None:
    """Two sequences compute the same at once; the second one's slots come back, and it goes on in the first one's."""
    tree = plain()
    root = tree.match([1, 2, 3]).node
    one, two = tree.slots.allocate(3), tree.slots.allocate(4)
    first = tree.insert(root, [1, 2, 3], one)
    second = tree.insert(root, [1, 2, 3, 4], two)
    assert second.parent is first
    assert second.extents == [Extent(6, 7)]
    assert tree.insert(root, [1, 2], tree.slots.allocate(2)) is first.parent
    assert tree.slots.free_slots == 1000 - 4
    tree.check()


def test_a_chunk_keeps_its_name_in_both_halves() -> None:
    tree = plain()
    node = put(tree, 1, 2, 3, 4, chunk="a")
    put(tree, 1, 2, 9, chunk="b")
    assert [one.chunk for one in tree.path(node)] == ["a", "a"]
    assert tree.match([1, 2, 9]).node.chunk == "b"


def test_approximate_is_never_found_as_exact() -> None:
    """Not by a match, not by inserting the same exactly, not below an exact node, not after it was spilled."""
    blend = Approximate("blend")
    tree = plain()
    root = tree.root(provenance=blend)
    loose = tree.insert(root, [1, 2, 3], tree.slots.allocate(3), provenance=blend)
    assert tree.held([1, 2, 3]) == 0
    assert tree.held([1, 2, 3], provenance=Approximate("other")) == 0
    exact = put(tree, 1, 2, 3)
    assert exact is not loose
    assert exact.id != loose.id
    assert tree.slots.free_slots == 1000 - 6
    for parent, provenance in ((exact, blend), (loose, EXACT), (loose, Approximate("other"))):
        extents = tree.slots.allocate(1)
        with pytest.raises(ChunkwiseError, match="keys and values below"):
            tree.insert(parent, [4], extents, provenance=provenance)
        tree.slots.free(extents)
    assert tree.match([1, 2, 3], provenance=blend).node is loose
    tree.check()


def test_what_is_held_on_to_stays() -> None:
    tree = plain(10)
    kept = put(tree, 1, 2, 3)
    put(tree, 1, 2, 4)
    put(tree, 5, 6)
    tree.pin(kept)
    tree.pin(kept)
    assert tree.evictable == 3
    with pytest.raises(ArenaFull, match="4 of 10 are free and 3 more could be"):
        tree.make_room(8)
    assert tree.slots.free_slots == 4  # nothing was let go for nothing
    tree.make_room(7)
    assert (tree.held([1, 2, 3]), tree.nodes, tree.evictable) == (3, 2, 0)
    tree.release(kept)
    with pytest.raises(ArenaFull):
        tree.make_room(8)
    tree.release(kept)
    tree.make_room(10)
    assert tree.nodes == 0
    with pytest.raises(ChunkwiseError, match="pin a node"):
        tree.insert(kept, [9], tree.slots.allocate(1))


def test_a_split_is_held_as_its_node_was() -> None:
    tree = plain(10)
    node = put(tree, 1, 2, 3, 4)
    tree.pin(node)
    upper = tree.match([1, 2]).node
    assert (upper.references, upper.stop, node.stop) == (1, 2, 4)
    tree.release(node)
    assert tree.evictable == 4
    tree.check()


def test_misuse_is_named() -> None:
    tree = plain(10)
    node = put(tree, 1, 2)
    with pytest.raises(ChunkwiseError, match="nobody holds"):
        tree.release(node)
    with pytest.raises(ChunkwiseError, match="3 tokens in 2 slots"):
        tree.insert(node, [1, 2, 3], [Extent(5, 7)])
    tree.pin(node)
    with pytest.raises(ChunkwiseError, match="none follows"):
        tree.spill(node)
    with pytest.raises(ChunkwiseError, match="none follows"):
        tree.spill(tree.root())


def naive_lru(requests: list[tuple[int, ...]], room: int) -> list[bool]:
    """Whether each request of one node hits, by a plain list in order of use."""
    order: list[tuple[int, ...]] = []
    hits = []
    for request in requests:
        hits.append(request in order)
        order = [one for one in order if one != request] + [request]
        while sum(map(len, order)) > room:
            order.pop(0)
    return hits


def served(tree: Tree, requests: list[tuple[int, ...]]) -> list[bool]:
    hits = []
    for request in requests:
        node, length = tree.match(request)
        hits.append(length == len(request))
        tree.pin(node)
        tree.make_room(len(request) - length)
        tree.release(node)
        tree.insert(node, request[length:], tree.slots.allocate(len(request) - length))
        tree.check()
    return hits


def test_lru_is_a_list_in_order_of_use() -> None:
    rng = np.random.default_rng(0)
    requests = [(int(one), *range(100, 104)) for one in rng.zipf(1.3, 300) % 20]
    assert served(plain(30), requests) == naive_lru(requests, 30)


def test_value_keeps_what_is_used_often() -> None:
    """A scan of what is seen once pushes the often used out of a cache by last use, the control; not by value."""
    often = [(one, 0, 0, 0, 0) for one in range(3)]
    scan = [(at, 1, 1, 1, 1) for at in range(100, 108)]
    requests = often * 4 + scan + often
    by_value, by_use = (served(plain(30, policy), requests) for policy in (value(), lru))
    assert by_value[-3:] == [True] * 3
    assert by_use[-3:] == [False] * 3


def test_value_forgets_what_was_used_often() -> None:
    """Popular once is not popular for ever."""
    often, later = [(1, 0, 0, 0, 0)], [(at, 1, 1, 1, 1) for at in range(100, 104)]
    requests = often * 6 + later * 12
    assert served(plain(20, value()), requests)[-4:] == [True] * 4


def test_value_keeps_what_is_dear() -> None:
    """Of two leaves used alike, tokens far behind cost more attention than tokens at a beginning."""
    for policy, kept in ((value(even=10), 106), (lru, 100)):
        tree = plain(220, policy)
        early_prefix = put(tree, *range(100))
        tree.pin(early_prefix)
        put(tree, *range(106))  # six behind a hundred
        put(tree, *range(500, 506))  # six at the beginning, used last
        tree.make_room(220 - 106)
        assert tree.held(range(106)) == kept


def test_empty_roots_are_forgotten() -> None:
    tree = plain(20)
    for name in range(100):
        root = tree.match([1, 2], str(name)).node
        tree.make_room(15)
        tree.insert(root, [1, 2], tree.slots.allocate(2))
    tree.check()
    assert len(tree._roots) == tree.nodes <= 10


def test_the_heap_does_not_grow_with_use() -> None:
    tree = plain(20)
    put(tree, 1, 2)
    put(tree, 3, 4)
    for _ in range(1000):
        tree.match([1, 2])
        tree.match([3, 4])
    assert len(tree._leaves) < 200
    tree.make_room(18)
    assert tree.held([3, 4]) == 2


def test_slots_hold_what_their_tokens_say() -> None:
    """What the machine test checks, once by hand: a slot that two share is the shared one's."""
    tree = make()
    add(tree, [1, 2, 3])
    node = add(tree, [1, 2, 4])
    slots = [slot for one in tree.path(node) for extent in one.extents for slot in range(*extent)]
    keys = arena_of(tree).keys[0][0, :, 0]
    assert len({float(keys[slot]) for slot in slots}) == 3
    assert slots[:2] == [0, 1]
