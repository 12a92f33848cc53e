"""The pipeline that a folder's `chunkwise.toml` chooses: read where commands are run, written by `chunkwise tune`."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from chunkwise import recipe
from chunkwise.errors import UserError
from chunkwise.evaluate import OURS, Pipeline

FILE = "chunkwise.toml"
BUDGET = 1500
WRITTEN = "# Written by chunkwise tune."
FAMILIES = ("segment", "retrieve", "select", "compress")
# What stands between the specs of a list, for the recipes that are made of several.
_JOINTS = {"linear": ">", "branching": "+"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A pipeline and the tokens that a question's context may cost. path: the file that says so, None for our own."""

    pipeline: Pipeline = OURS
    budget: int = BUDGET
    path: Path | None = None

    @property
    def index(self) -> dict[str, str]:
        """What `Index.open` is to be told; nothing that it would do by itself."""
        embed = self.pipeline.embed
        asked = {"segmenter": self.pipeline.segment} if self.pipeline.segment != OURS.segment else {}
        if embed in ("none", "static"):
            return {**asked, "vectors": embed}
        return {**asked, "embedder": embed} if embed != OURS.embed else asked


def nearest(start: Path | None = None) -> Chosen:
    """What the `chunkwise.toml` of this folder, or of the nearest above that has one, chooses; else our own."""
    here = start or Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return read(folder / FILE)
    return Chosen()


def read(path: Path) -> Chosen:
    """What that file chooses. Raises UserError, with the file's name, for what cannot be read or is not there.

    Under `[pipeline]` stand segment, embed, retrieve, select and compress as specs, and budget. A spec may be written
    out as a table: `retrieve = { branching = ["bm25", { looping = { of = "dense", rounds = 3 } }] }`.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    names = [field.name for field in fields(Pipeline)]
    try:
        _known(told, ["pipeline"], "table")
        table = told.get("pipeline", {})
        if not isinstance(table, Mapping):
            raise UserError("write it as a table, [pipeline]")
        _known(table, [*names, "budget"], "key")
        parts = {name: spec(table[name]) for name in names if name in table}
        for family in FAMILIES:
            if family in parts and (family, parts[family]) != ("compress", "none"):
                recipe.check(parts[family], family)
        budget = table.get("budget", BUDGET)
        if not isinstance(budget, int) or isinstance(budget, bool) or budget < 0:
            raise UserError(f"budget is a whole number of tokens, not {budget!r}")
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return Chosen(Pipeline(**{"segment": OURS.segment, "retrieve": OURS.retrieve, **parts}), budget, path)


def spec(value: Any) -> str:
    """The spec that a value of TOML means: a string as it is, a table as the recipe that it names, with its parameters.

    `{ branching = ["bm25", "dense"] }` is `branching:of=[bm25]+[dense]`: what is no table sets the first parameter.
    """
    if not isinstance(value, Mapping):
        return str(value)
    if len(value) != 1:
        raise UserError(f"a table names one recipe, such as {{ bm25 = {{}} }}, not {len(value)}: {', '.join(value)}")
    [(name, settings)] = value.items()
    if not isinstance(settings, Mapping):
        first = next(iter(recipe.find(name).parameters), None)
        if first is None:
            raise UserError(f"{name} has no parameter to set; write {{ {name} = {{}} }}")
        settings = {first: settings}
    made = ",".join(f"{key}={_value(name, inner)}" for key, inner in settings.items())
    return f"{name}:{made}" if made else name


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{_JOINTS.get(name, '+').join(f'[{spec(one)}]' for one in value)}]"
    text = spec(value)
    return f"[{text}]" if isinstance(value, Mapping) or "," in text else text


def _known(table: Mapping[str, Any], names: Sequence[str], what: str) -> None:
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            raise UserError(f"no {what} {key!r}; " + (f"did you mean {near[0]}?" if near else ", ".join(names)))


def write(path: Path, chosen: Chosen, why: Sequence[str]) -> None:
    """Write the file whole; why: lines of comment above it. One that tune did not write is left alone: UserError."""
    refuse(path)
    lines = [WRITTEN, *(f"# {line}" for line in why), "", "[pipeline]"]
    lines += [f"{field.name} = {json.dumps(getattr(chosen.pipeline, field.name))}" for field in fields(Pipeline)]
    waiting = path.with_name(f".{path.name}.new")
    waiting.write_text("\n".join([*lines, f"budget = {chosen.budget}", ""]), encoding="utf-8")
    waiting.replace(path)


def refuse(path: Path) -> None:
    """Raise UserError where a file stands that somebody wrote by hand."""
    try:
        if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(WRITTEN):
            raise UserError(f"{path} was written by hand and is left alone; name another file with --out")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; name another file with --out") from error
