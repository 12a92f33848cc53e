"""The language model that comes with the package: it reads bytes from left to right, on NumPy alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chunkwise.engine.recall import recalled
from chunkwise.engine.tensors import Tensors
from chunkwise.engine.threads import spread
from chunkwise.errors import ModelError
from chunkwise.models import Surprise
from chunkwise.units import Floats, Ints

WEIGHTS = Path(__file__).parent / "byte-lm.safetensors"
SHA256 = "4efd49feb9b9f4cd51817de479776dd321ec9c5bae0f80889745a4e8af465435"

BLOCK = 128  # positions; each one hears its own block up to itself, and the whole block before
GRAMS = (2, 3, 4, 5, 6)  # how many of the last bytes are looked up together
START = 0xFF  # read before the text; UTF-8 never holds it

Bytes = npt.NDArray[np.uint8]


class ByteLM:
    """A causal model of UTF-8: a transformer of a few narrow layers over a table of n-grams; see `models.CausalLM`.

    What it reads at a byte is the byte's own vector and those of the last 2 to 6 bytes by their hash (as in "Byte
    Latent Transformer: Patches Scale Better Than Tokens"), so that the layers need not spend themselves on spelling.
    Attention is by blocks: a position hears 128 to 255 back in each layer, 512 to 640 through all of them, and a text
    of any length is read once, in stretches side by side, each preceded by what can reach it. What the
    text itself has said before then corrects its chances (`recall.py`), so that a subject is better foretold the longer
    it lasts. The cost of a text never depends on how it was divided.
    path: weights made by `scripts/train_byte_lm.py`; expected: the sha256 that they must have, None for any.
    Raises ModelError when the file is no such model, or another one than expected.
    """

    _STRETCH = 48  # blocks read at once, beside those that only reach into them

    def __init__(self, path: str | Path = WEIGHTS, expected: str | None = SHA256) -> None:
        path = Path(path)
        found = Tensors(path)
        if expected is not None and (digest := hashlib.sha256(path.read_bytes()).hexdigest()) != expected:
            raise ModelError(f"{path} has sha256 {digest}, not {expected}: these weights are not used; install again")
        try:
            self.name = found.metadata["name"]
            self._grams = found.arrays["grams"]
            weights = {name: array.astype(np.float32) for name, array in found.arrays.items() if name != "grams"}
            self._bytes, self._lift, self._answer = weights["bytes"], weights["lift"], weights["answer"]
            self._lift = self._lift * np.tile(weights["gram_scales"], len(GRAMS))[:, None]
            parts = ("ask_key_value", "heard", "expand", "contract")
            self._layers = [
                (*(weights[f"{layer}.{part}"] for part in parts), _by_distance(weights[f"{layer}.near"]))
                for layer in (f"layers.{number}" for number in range(int(found.metadata["layers"])))
            ]
        except (KeyError, ValueError) as error:
            raise ModelError(f"{path} is no byte model: {error}; make one with scripts/train_byte_lm.py") from error
        self.width = int(self._bytes.shape[1])

    def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
        """The cost of each character of `text` after `given`: the nats of its bytes added up; its last byte's state.

        Linear in the text. Beside the result it needs a few MB, whatever the length; `states` are 4 * `width` bytes a
        character.
        """
        before, here = _utf8(given), _utf8(text)
        read = np.concatenate((np.array([START], np.uint8), before, here))
        starts = np.arange(len(text))
        if not text:
            return Surprise(starts, np.zeros(0, np.float32), np.zeros((0, self.width), np.float32) if states else None)
        stretches = self._stretches(len(before), len(read))
        parts = spread(lambda stretch: self._read(read, *stretch, states), stretches)
        nats = recalled(read, np.concatenate([part for part, _ in parts]))
        shown = np.concatenate([part for _, part in parts])[1:] if states else None
        if len(here) > len(text):
            first = np.flatnonzero((here & 0xC0) != 0x80)
            nats = np.add.reduceat(nats, first)
            shown = None if shown is None else shown[np.append(first[1:], len(here)) - 1]
        return Surprise(starts, nats, shown)

    def choose(self, prompt: str, answers: Sequence[str]) -> Floats:
        """Log-probability of each answer as what comes next; float32 [len(answers)]."""
        nats = [self.surprise(answer, given=prompt).nats.sum() for answer in answers]
        return -np.array(nats, dtype=np.float32)

    def _stretches(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """(where to begin reading, where to begin telling, where to stop), the first at the start of a block."""
        step = self._STRETCH * BLOCK
        edges = [start, *range((start // step + 1) * step, stop, step), stop]
        reach = len(self._layers)
        return [(max(0, left // BLOCK - reach) * BLOCK, left, right) for left, right in pairwise(edges)]

    def _read(self, read: Bytes, begin: int, start: int, stop: int, states: bool) -> tuple[Floats, Floats | None]:
        """Nats of the bytes after positions start to stop (nothing is after the last), and the states there."""
        shown = self._states(read, begin, stop)[start - begin :]
        following = read[start + 1 : stop + 1]
        logits = shown[: len(following)] @ self._answer
        logits -= logits.max(1, keepdims=True)
        chosen = logits[np.arange(len(following)), following]
        np.exp(logits, out=logits)
        return np.log(logits.sum(1)) - chosen, shown if states else None

    def _states(self, read: Bytes, begin: int, stop: int) -> Floats:
        """The last hidden states [stop - begin, width]; begin is the start of a block."""
        longest = max(GRAMS) - 1
        rows = gram_rows(read[max(0, begin - longest) : stop], len(self._grams))[min(begin, longest) :]
        x = self._bytes[read[begin:stop]]
        x += self._grams[rows].reshape(len(rows), -1).astype(np.float32) @ self._lift
        for ask_key_value, heard, expand, contract, near in self._layers:
            x += _attended(_norm(x) @ ask_key_value, near) @ heard
            for start in range(0, len(x), BLOCK):  # the wide middle stays in a core's own cache
                part = x[start : start + BLOCK]
                part += _gated(_norm(part) @ expand) @ contract
        return _norm(x)


def gram_rows(read: Bytes, rows: int) -> Ints:
    """Which row of the table stands for the last n bytes at each position, for each n of GRAMS; int64 [len(read), 5].

    Zeros stand before the first byte.
    """
    found = np.empty((len(read), len(GRAMS)), np.int64)
    mixed = earlier = read.astype(np.uint64) + np.uint64(1)
    for order in range(2, max(GRAMS) + 1):
        earlier = np.concatenate((np.zeros(1, np.uint64), earlier[:-1]))
        mixed = (mixed ^ (earlier + np.uint64(order << 9))) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        if order in GRAMS:
            found[:, GRAMS.index(order)] = (mixed >> np.uint64(20)) % np.uint64(rows)
    return found


def _utf8(text: str) -> Bytes:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)


def _by_distance(near: Floats) -> Floats:
    """Biases by distance [heads, 2 * BLOCK] as a mask on scores [heads, BLOCK, 2 * BLOCK]; -inf for what is later."""
    distance = np.arange(BLOCK)[:, None] + BLOCK - np.arange(2 * BLOCK)
    return np.where(distance >= 0, near[:, np.maximum(distance, 0)], -np.inf).astype(np.float32)


def _norm(x: Floats) -> Floats:
    """Rows to a mean square of 1."""
    normed: Floats = x * (1 / np.sqrt(np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1]) + np.float32(1e-6)))[:, None]
    return normed


def _attended(asked: Floats, near: Floats) -> Floats:
    """What each position hears; asked: queries, keys and values side by side [t, 3 * width]; [t, width]."""
    t, heads = len(asked), len(near)
    q, k, v = np.ascontiguousarray(asked.reshape(t, 3, heads, -1).transpose(1, 2, 0, 3))  # [heads, t, width / heads]
    q *= np.float32(q.shape[2] ** -0.5)
    heard = np.empty_like(q)
    room = np.empty((heads, BLOCK, 2 * BLOCK), np.float32)  # one for all: new pages for each would cost as much again
    for start in range(0, t, BLOCK):
        stop, back = min(start + BLOCK, t), max(0, start - BLOCK)
        scores = room[:, : stop - start, : stop - back]
        np.matmul(q[:, start:stop], k[:, back:stop].swapaxes(1, 2), out=scores)
        scores += near[:, : stop - start, back - start + BLOCK : BLOCK + stop - start]
        scores -= scores.max(2, keepdims=True)
        np.exp(scores, out=scores)
        np.matmul(scores, v[:, back:stop], out=heard[:, start:stop])
        heard[:, start:stop] /= scores.sum(2, keepdims=True)
    side_by_side: Floats = heard.transpose(1, 0, 2).reshape(t, -1)
    return side_by_side


def _gated(both: Floats) -> Floats:
    """SiLU of the first half of the columns times the second (SwiGLU)."""
    gate, up = np.split(both, 2, axis=1)
    with np.errstate(over="ignore"):  # infinity is what closes the gate
        opened = np.exp(-gate)
    opened += 1
    np.divide(gate, opened, out=opened)
    opened *= up
    return opened
