"""A BERT-family encoder, written once: the same forward pass runs on NumPy arrays and on torch tensors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from chunkwise.engine.tensors import Tensors
from chunkwise.errors import ModelError
from chunkwise.units import Floats, Ints

Array: TypeAlias = Any  # a NumPy array or a torch tensor
Backend: TypeAlias = Literal["numpy", "torch"]
Observe: TypeAlias = Callable[[int, str, Array], None]


class Merge(NamedTuple):
    """Positions that become one: from `layer` on (0: before the first), their mean state stands for them.

    into: int64 [n, t], which place of the shorter row each position goes to, from 0 and never falling within a row;
    what is hidden by the mask goes nowhere, whatever it says.
    """

    layer: int
    into: Ints


class Encoder:
    """Token ids to hidden states, as BERT computes them (Devlin et al. 2019), post-norm with absolute positions.

    Made by `Encoder.load`. layers, heads, width (of a state) and positions (the longest input) are the model's.
    """

    def __init__(self, config: dict[str, Any], weights: dict[str, Array], operations: Operations) -> None:
        self.backend: Backend = operations.backend
        self.layers: int = config["num_hidden_layers"]
        self.heads: int = config["num_attention_heads"]
        self.width: int = config["hidden_size"]
        self.positions: int = config["max_position_embeddings"]
        self._epsilon: float = config["layer_norm_eps"]
        self._weights = weights
        self._on = operations

    @classmethod
    def load(cls, folder: str | Path, backend: Backend = "numpy", device: str = "cpu") -> Encoder:
        """The encoder of a Hugging Face or sentence-transformers folder (`config.json`, `model.safetensors`), float32.

        backend: "numpy" maps the weights into memory and needs no torch; "torch" puts them on `device`.
        Raises ModelError when a file, a field or a tensor is missing, or the model is of another kind.
        """
        folder = Path(folder)
        config = _config(folder / "config.json")
        operations = _OnNumpy() if backend == "numpy" else _OnTorch(device)
        found = {
            name.removeprefix("bert."): array for name, array in Tensors(folder / "model.safetensors").arrays.items()
        }
        weights = {}
        for name, shape in _shapes(config).items():
            if name not in found or found[name].shape != shape:
                wrong = f"has shape {found[name].shape}" if name in found else "is missing"
                raise ModelError(f"{folder / 'model.safetensors'}: tensor {name!r} {wrong}, expected {shape}")
            weights[name] = operations.array(found[name].astype(np.float32, copy=False))
        return cls(config, weights, operations)

    def states(
        self,
        ids: Array,
        mask: Array | None = None,
        observe: Observe | None = None,
        types: Array | None = None,
        merge: Merge | None = None,
    ) -> Array:
        """The last hidden states [n, t, width], float32, of `ids` [n, t] (whole numbers; NumPy or the backend's own).

        mask: [n, t], true where a token is to be seen; None, which is faster, where all are.
        observe: called in every layer with (layer, "attention", weights [n, heads, t, t]) and
        (layer, "states", [n, t, width]); the embeddings come first as (-1, "states", ...). What it is handed is
        the pass's own array: copy what is kept.
        types: [n, t], whole numbers, which of its segments a token belongs to; None where all belong to the first.
        merge: which positions become one on the way; t is then the longest row that it leaves, and a row that it
        leaves shorter has zeros behind it at first. One that merges nothing changes nothing, to the bit.
        Raises ModelError when t is over the model's positions.
        """
        on, weight = self._on, self._weights
        ids = on.array(ids)
        n, t = ids.shape
        if t > self.positions:
            raise ModelError(f"{t} tokens are too many for a model of {self.positions} positions; truncate the input")
        hidden = None if mask is None else on.hidden(on.array(mask))[:, None, None, :]

        def linear(x: Array, name: str) -> Array:
            return on.linear(x, weight[f"{name}.weight"], weight[f"{name}.bias"])

        def norm(x: Array, name: str) -> Array:
            return on.norm(x, weight[f"{name}.weight"], weight[f"{name}.bias"], self._epsilon)

        def split(x: Array) -> Array:  # [n * t, width] -> [n, heads, t, width / heads]
            return x.reshape(n, t, self.heads, -1).swapaxes(1, 2)

        segment = weight["embeddings.token_type_embeddings.weight"]
        of_type = segment[0] if types is None else segment[on.array(types)]
        x = weight["embeddings.word_embeddings.weight"][ids]
        x = x + (weight["embeddings.position_embeddings.weight"][:t] + of_type)
        x = norm(x.reshape(n * t, self.width), "embeddings.LayerNorm")
        if observe:
            observe(-1, "states", x.reshape(n, t, self.width))
        for number in range(self.layers):
            if merge is not None and number == merge.layer and (shares := _shares(merge.into, mask)) is not None:
                x = (on.array(shares) @ x.reshape(n, t, self.width)).reshape(-1, self.width)
                t = shares.shape[1]
                hidden = on.hidden(on.array(shares.any(axis=2)))[:, None, None, :]
            layer = f"encoder.layer.{number}"
            q, k, v = (split(linear(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value"))
            scores = (q * (self.width // self.heads) ** -0.5) @ k.swapaxes(2, 3)
            attention = on.softmax(scores if hidden is None else scores + hidden)
            if observe:
                observe(number, "attention", attention)
            heard = (attention @ v).swapaxes(1, 2).reshape(n * t, self.width)
            x = norm(x + linear(heard, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
            expand, contract = f"{layer}.intermediate.dense", f"{layer}.output.dense"
            thought = on.feed_forward(
                x, *(weight[f"{w}.{part}"] for w in (expand, contract) for part in ("weight", "bias"))
            )
            x = norm(x + thought, f"{layer}.output.LayerNorm")
            if observe:
                observe(number, "states", x.reshape(n, t, self.width))
        return x.reshape(n, t, self.width)

    def numpy(self, array: Array) -> Any:
        """What `states` gave, or something computed from it, as a NumPy array."""
        return self._on.numpy(array)

    def array(self, array: Any) -> Array:
        """A NumPy array as the backend's own, on its device."""
        return self._on.array(array)


class Operations(Protocol):
    """The few steps that each backend does in its own fastest way; each may overwrite its first argument."""

    backend: Backend

    def array(self, array: Array) -> Array:
        """The array as the backend's own."""

    def numpy(self, array: Array) -> Any:
        """The array as NumPy's."""

    def hidden(self, mask: Array) -> Array:
        """0 where the mask is true, and elsewhere a number low enough that softmax makes it 0."""

    def linear(self, x: Array, weight: Array, bias: Array) -> Array:
        """`x` [m, in] through weight [out, in] and bias [out]."""

    def norm(self, x: Array, weight: Array, bias: Array, epsilon: float) -> Array:
        """Rows of `x` [m, d] to mean 0 and variance 1, then scaled and shifted."""

    def softmax(self, x: Array) -> Array:
        """Over the last axis."""

    def feed_forward(self, x: Array, expand: Array, expand_bias: Array, contract: Array, contract_bias: Array) -> Array:
        """`x` [m, d] through expand [inner, d], gelu, and contract [d, inner]."""


class _OnNumpy:
    """NumPy: in place, and the wide middle of a layer in blocks that stay in cache."""

    # 1 - erf(y) = (1 + a1 y + ... + a6 y^6)^-16 to 3e-7 (Abramowitz and Stegun 1964, 7.1.28), here in x = y * sqrt(2),
    # the highest power first.
    _ERFC = tuple(
        coefficient * 0.5 ** (power / 2)
        for power, coefficient in zip(
            (6, 5, 4, 3, 2, 1),
            (0.0000430638, 0.0002765672, 0.0001520143, 0.0092705272, 0.0422820123, 0.0705230784),
            strict=True,
        )
    )
    backend: Backend = "numpy"
    _ROWS = 256  # enough for matmul to run at its full speed
    _ELEMENTS = 16384  # two work arrays of 64 KB stay in a core's own cache

    def __init__(self) -> None:
        self._kept = threading.local()

    def array(self, array: Array) -> Array:
        return np.asarray(array)

    def numpy(self, array: Array) -> Any:
        return array

    def hidden(self, mask: Array) -> Array:
        return np.where(mask, np.float32(0), np.finfo(np.float32).min)

    def linear(self, x: Array, weight: Array, bias: Array) -> Array:
        x = x @ weight.T
        x += bias
        return x

    def norm(self, x: Array, weight: Array, bias: Array, epsilon: float) -> Array:
        x -= x.mean(-1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[-1])
        x *= (1 / np.sqrt(variance + np.float32(epsilon)))[:, None]
        x *= weight
        x += bias
        return x

    def softmax(self, x: Array) -> Array:
        x -= x.max(-1, keepdims=True)
        np.exp(x, out=x)
        x /= x.sum(-1, keepdims=True)
        return x

    def feed_forward(self, x: Array, expand: Array, expand_bias: Array, contract: Array, contract_bias: Array) -> Array:
        wide = self._workspace((self._ROWS, len(expand)))
        result = np.empty_like(x)
        for start in range(0, len(x), self._ROWS):
            rows = x[start : start + self._ROWS]
            inner = np.matmul(rows, expand.T, out=wide[: len(rows)])
            inner += expand_bias
            self._gelu(inner.reshape(-1))
            np.matmul(inner, contract.T, out=result[start : start + self._ROWS])
        result += contract_bias
        return result

    def _gelu(self, x: Floats) -> None:
        """x times the normal distribution function of x, in place, within 7e-7."""
        sizes, powers = np.empty((2, min(self._ELEMENTS, x.size)), np.float32)
        highest, *lower = self._ERFC
        with np.errstate(over="ignore"):  # an overflow means erfc = 0, and that is what division by infinity gives
            for start in range(0, x.size, self._ELEMENTS):
                block = x[start : start + self._ELEMENTS]
                size, power = sizes[: block.size], powers[: block.size]
                np.abs(block, out=size)
                np.multiply(size, highest, out=power)
                for coefficient in lower:
                    power += coefficient
                    power *= size
                power += 1
                for _ in range(4):
                    power *= power
                # 2 gelu(x) = x + |x| (1 - erfc)
                np.divide(size, power, out=power)
                size -= power
                block += size
                block *= 0.5

    def _workspace(self, shape: tuple[int, int]) -> Floats:
        """One array kept for each thread: the allocator would give its pages back and fault them in again."""
        kept: Floats | None = getattr(self._kept, "array", None)
        if kept is None or kept.shape != shape:
            kept = self._kept.array = np.empty(shape, np.float32)
        return kept


class _OnTorch:
    """Torch: nothing in place, so that gradients flow and hooks see whole arrays."""

    backend: Backend = "torch"

    def __init__(self, device: str) -> None:
        try:
            import torch
        except ImportError as error:
            raise ModelError("the torch backend needs PyTorch: pip install 'chunkwise[torch]', or use numpy") from error
        self._torch = torch
        self._device = torch.device(device)

    def array(self, array: Array) -> Array:
        made = array if isinstance(array, self._torch.Tensor) else self._torch.tensor(array)
        return made.to(self._device)

    def numpy(self, array: Array) -> Any:
        return array.detach().cpu().numpy()

    def hidden(self, mask: Array) -> Array:
        lowest = self._torch.finfo(self._torch.float32).min
        return self._torch.zeros(mask.shape, device=self._device).masked_fill(~mask.bool(), lowest)

    def linear(self, x: Array, weight: Array, bias: Array) -> Array:
        return self._torch.nn.functional.linear(x, weight, bias)

    def norm(self, x: Array, weight: Array, bias: Array, epsilon: float) -> Array:
        return self._torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, epsilon)

    def softmax(self, x: Array) -> Array:
        return self._torch.softmax(x, -1)

    def feed_forward(self, x: Array, expand: Array, expand_bias: Array, contract: Array, contract_bias: Array) -> Array:
        functional = self._torch.nn.functional
        return functional.linear(functional.gelu(functional.linear(x, expand, expand_bias)), contract, contract_bias)


def _shares(into: Ints, mask: Array | None) -> Floats | None:
    """What each position has in the mean of each place, float32 [n, places, t]; None where none is shared."""
    seen = np.ones(into.shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    places = int(into[seen].max(initial=-1)) + 1
    shares = (into[:, None, :] == np.arange(places)[:, None]) & seen[:, None, :]
    sizes = shares.sum(axis=2, keepdims=True)
    return None if sizes.max(initial=0) <= 1 else np.asarray(shares / np.maximum(sizes, 1), dtype=np.float32)


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"no model in {path.parent}: cannot read {path.name} ({error.strerror})") from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} holds no JSON object")
    needed = (
        *("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
        *("max_position_embeddings", "type_vocab_size", "vocab_size", "layer_norm_eps", "hidden_act"),
    )
    missing = [field for field in needed if field not in config]
    if missing:
        raise ModelError(f"{path} lacks {', '.join(missing)}")
    only = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
    for field, value in only.items():
        if config.get(field, value) != value:
            raise ModelError(f"{path}: {field} {config[field]!r} cannot be run here, only {value!r}")
    if config["hidden_size"] % config["num_attention_heads"]:
        raise ModelError(
            f"{path}: {config['hidden_size']} wide states do not split into {config['num_attention_heads']} heads"
        )
    return config


def _shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every tensor that the forward pass reads, and the shape that the config gives it."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    tables = {"word": "vocab_size", "position": "max_position_embeddings", "token_type": "type_vocab_size"}
    shapes: dict[str, tuple[int, ...]] = {
        f"embeddings.{table}_embeddings.weight": (config[size], width) for table, size in tables.items()
    }
    parts: dict[str, tuple[int, ...]] = {"embeddings.LayerNorm": (width,)}
    for layer in (f"encoder.layer.{number}" for number in range(config["num_hidden_layers"])):
        for part in ("query", "key", "value"):
            parts[f"{layer}.attention.self.{part}"] = (width, width)
        parts[f"{layer}.attention.output.dense"] = (width, width)
        parts[f"{layer}.attention.output.LayerNorm"] = (width,)
        parts[f"{layer}.intermediate.dense"] = (inner, width)
        parts[f"{layer}.output.dense"] = (width, inner)
        parts[f"{layer}.output.LayerNorm"] = (width,)
    for part, shape in parts.items():
        shapes |= {f"{part}.weight": shape, f"{part}.bias": shape[:1]}
    return shapes
