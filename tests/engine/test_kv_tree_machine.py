"""Whatever is done to a tree in whatever order: it holds what a plain dict says, and no slot is another's."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from kv_worlds import arena_of, make, numbers, told

from chunkwise.engine.kv.arena import ArenaFull
from chunkwise.engine.kv.policy import lru, value
from chunkwise.engine.kv.spill import Spill
from chunkwise.engine.kv.tree import EXACT, Approximate, Node, Provenance, Tree

Key = tuple[str, Provenance]
sequences = st.lists(st.integers(0, 1), max_size=14)  # of two tokens, so that many begin alike
keys = st.sampled_from([("", EXACT), ("", Approximate("blend")), ("other", EXACT)])


class Machine(RuleBasedStateMachine):
    """The model: of each namespace and provenance, every prefix that is held; and every sequence ever computed."""

    pinned = Bundle("pinned")

    @initialize(slots=st.integers(8, 60), files=st.integers(0, 8), worth=st.sampled_from([lru, value(8)]))
    def begin(self, slots: int, files: int, worth: object) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.tree = make(self.folder, slots, limit=files * 900)
        self.tree.policy = worth  # type: ignore[assignment]
        self.model: dict[Key, set[tuple[int, ...]]] = {}
        self.ever: dict[Key, set[tuple[int, ...]]] = {}
        self.held: list[tuple[Node, Key, tuple[int, ...]]] = []

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def expected(self, key: Key, tokens: list[int], where: dict[Key, set[tuple[int, ...]]]) -> int:
        known = where.get(key, set())
        return next((n for n in range(len(tokens), 0, -1) if tuple(tokens[:n]) in known), 0)

    def learn(self) -> None:
        """After a step that may let nodes go: what is left is of what was, and nothing that is held on to is lost."""
        for key, known in self.model.items():
            left = {prefix for prefix in known if self.tree.held(prefix, *key) == len(prefix)}
            must = {whole[:n] for _, of, whole in self.held if of == key for n in range(1, len(whole) + 1)}
            assert must <= left
            self.model[key] = left

    @rule(tokens=sequences, key=keys)
    def match(self, tokens: list[int], key: Key) -> None:
        assert self.tree.held(tokens, *key) == self.expected(key, tokens, self.model)
        node, length = self.tree.match(tokens, *key)
        assert length == self.expected(key, tokens, self.model)
        assert [token for one in self.tree.path(node) for token in one.tokens] == tokens[:length]
        assert torch.equal(told(self.tree, node), numbers(tokens[:length], 0, *key))

    @rule(tokens=sequences, key=keys, again=st.integers(0, 5))
    def insert(self, tokens: list[int], key: Key, again: int) -> None:
        """A sequence is computed from where the tree goes, or some tokens before: those are freed."""
        node, length = self.tree.match(tokens[: max(0, self.tree.held(tokens, *key) - again)], *key)
        self.tree.pin(node)
        try:
            self.tree.make_room(len(tokens) - length)
            extents = self.tree.slots.allocate(len(tokens) - length)
        except ArenaFull:
            return
        finally:
            self.tree.release(node)
            self.learn()
        arena_of(self.tree).write(extents, numbers(tokens, length, *key))
        node = self.tree.insert(node, tokens[length:], extents, provenance=key[1], chunk="a")
        assert node.stop == len(tokens)
        for where in (self.model, self.ever):
            where.setdefault(key, set()).update(tuple(tokens[:n]) for n in range(1, len(tokens) + 1))

    @rule(target=pinned, tokens=sequences, key=keys)
    def pin(self, tokens: list[int], key: Key) -> tuple[Node, Key, tuple[int, ...]]:
        node, length = self.tree.match(tokens, *key)
        self.tree.pin(node)
        self.held.append((node, key, tuple(tokens[:length])))
        return self.held[-1]

    @rule(one=consumes(pinned))
    def release(self, one: tuple[Node, Key, tuple[int, ...]]) -> None:
        if one in self.held:  # not so after a restart
            self.held.remove(one)
            self.tree.release(one[0])

    @rule(n=st.one_of(st.integers(0, 8), st.integers(0, 70)))
    def make_room(self, n: int) -> None:
        before = self.tree.slots.free_slots
        try:
            self.tree.make_room(n)
            assert self.tree.slots.free_slots >= n
        except ArenaFull:
            assert self.tree.slots.free_slots == before
            held = {whole[:n] + key for _, key, whole in self.held for n in range(1, len(whole) + 1)}
            assert n > self.tree.slots.total - len(held)
        self.learn()

    @rule(tokens=sequences, key=keys)
    def reload(self, tokens: list[int], key: Key) -> None:
        before = self.expected(key, tokens, self.model)
        node, length = self.tree.reload(tokens, *key)
        assert before <= length <= self.expected(key, tokens, self.ever)
        assert torch.equal(told(self.tree, node), numbers(tokens[:length], 0, *key))
        self.model.setdefault(key, set()).update(tuple(tokens[:n]) for n in range(1, length + 1))
        self.learn()

    @rule(now=st.integers(0, 4))
    def restart(self, now: int) -> None:
        """A new process over the same folder, now and then: nothing is held, what was spilled is there."""
        if now:
            return
        old = self.tree
        arena = type(arena_of(old))(old.slots.total, layers=2, kv_heads=1, dim=2)
        assert isinstance(old.spilled, Spill)
        self.tree = Tree(arena, old.policy, Spill(self.folder, arena, "model", old.spilled.limit))
        self.model, self.held = {}, []

    @rule(which=st.randoms(use_true_random=False), how=st.sampled_from(["cut", "flip", "lose", "swap"]))
    def damage(self, which: object, how: str) -> None:
        files = sorted(self.folder.glob("*/*.safetensors"))
        if not files:
            return
        path, other = (which.choice(files) for _ in range(2))  # type: ignore[attr-defined]
        whole = path.read_bytes()
        at = which.randrange(len(whole))  # type: ignore[attr-defined]
        if how == "lose":
            path.unlink()
        elif how == "swap":
            path.write_bytes(other.read_bytes())
        else:
            path.write_bytes(whole[:at] if how == "cut" else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])

    @invariant()
    def whole(self) -> None:
        if not hasattr(self, "tree"):
            return
        self.tree.check()
        assert isinstance(self.tree.spilled, Spill)
        assert self.tree.spilled.bytes <= self.tree.spilled.limit
        slots = sum(map(len, self.model.values()))
        assert self.tree.slots.free_slots == self.tree.slots.total - slots  # each prefix once
        for key, known in self.model.items():
            for prefix in known:
                assert self.tree.held(prefix, *key) == len(prefix)
        for node, key, prefix in self.held:
            assert torch.equal(told(self.tree, node), numbers(prefix, 0, *key))


@pytest.mark.filterwarnings("ignore::chunkwise.errors.SkippedWarning")
class TestMachine(Machine.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
