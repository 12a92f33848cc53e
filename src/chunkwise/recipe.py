"""Recipes: named compositions of primitives, the registry that lists them, and the spec strings that ask for them."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from chunkwise.errors import UnknownRecipe, UserError
from chunkwise.models import Supplies

Build = TypeVar("Build", bound=Callable[..., Any])
BuildOther: TypeAlias = Callable[[str, str], Any]
"""What a recipe is given to build another with: its spec and its family."""
_registry: dict[str, Recipe] = {}
_ROOMS = ("segment", "embed", "retrieve", "select", "compress")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named composition.

    seed: the title of the work whose idea it is; claim: what it should be seen to do; build: the function that makes
    it from its parameters; check: path of the claim check, from the repository's root.
    """

    name: str
    family: str
    seed: str
    claim: str
    build: Callable[..., Any]
    aliases: tuple[str, ...] = ()

    @property
    def check(self) -> str:
        """`tests/claims/test_segment.py::test_cast`: the folder of recipes, then the recipe."""
        room = self.build.__module__.split(".")[-2]
        return f"tests/claims/test_{room}.py::test_{self.name.replace('-', '_')}"

    @property
    def room(self) -> str:
        """The room that its builder stands in: "segment", "embed"; "" where that is none of ours."""
        return next(iter(self.build.__module__.split(".")[1:]), "")

    @property
    def makes(self) -> str:
        """The family whose contract holds for what it builds: that of its room, wherever its idea was published."""
        return self.room if self.room in _ROOMS else self.family

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The parameters that a spec may set, in order."""
        return {name: p for name, p in self._signature.items() if p.kind is not p.KEYWORD_ONLY}

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it is made of, which who builds it supplies: its keyword-only parameters, save `build`."""
        return tuple(name for name, p in self._signature.items() if p.kind is p.KEYWORD_ONLY and name != "build")

    @property
    def _signature(self) -> dict[str, inspect.Parameter]:
        return dict(inspect.signature(self.build).parameters)

    @property
    def spec(self) -> str:
        """The recipe with its defaults written out: `recursive:size=512,overlap=0`."""
        settings = [f"{name}={_wrapped(p.default)}" for name, p in self.parameters.items() if p.default is not p.empty]
        return f"{self.name}:{','.join(settings)}" if settings else self.name


def recipe(name: str, *, family: str, seed: str, claim: str, aliases: tuple[str, ...] = ()) -> Callable[[Build], Build]:
    """Register the decorated builder under `name`.

    Raises ValueError at import when the seed's title or the claim is missing, or a name is taken.
    """
    if not seed.strip() or not claim.strip():
        raise ValueError(f"recipe {name!r} needs the title of its seed and its claim")

    def register(build: Build) -> Build:
        made = Recipe(name, family, seed, claim, build, aliases)
        for key in (name, *aliases):
            if key in _registry and _home(_registry[key].build) != _home(build):
                raise ValueError(f"recipe name {key!r} is taken by {_registry[key].build.__module__}")
            _registry[key] = made
        return build

    return register


def _home(build: Callable[..., Any]) -> tuple[str, str]:
    return build.__module__, build.__qualname__


def recipes(family: str | None = None) -> list[Recipe]:
    """Every recipe, or those of one family, by family and name."""
    found = {made.name: made for made in _all().values() if family is None or made.family == family}
    return sorted(found.values(), key=lambda made: (made.family, made.name))


def unknown_family(family: str) -> UnknownRecipe:
    """The error for a family that no recipe belongs to, naming those there are."""
    families = sorted({made.family for made in _all().values()})
    near = difflib.get_close_matches(family, families, 1)
    return UnknownRecipe(
        f"no family {family!r}: " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(families)}")
    )


def find(name: str, family: str | None = None) -> Recipe:
    """The recipe of that name or alias; UnknownRecipe, naming the nearest one, when there is none.

    family: what it is to make (`Recipe.makes`), which for a few is not the family that they are listed under.
    """
    found = _all().get(name)
    if found and family in (None, found.makes):
        return found
    known = [key for key, made in _all().items() if family in (None, made.makes)]
    near = difflib.get_close_matches(name, known, 1)
    where = f"{family} recipe" if family else "recipe"
    hint = f"did you mean {near[0]!r}?" if near else "`chunkwise recipes` lists them all"
    raise UnknownRecipe(f"no {where} {name!r}: {hint}")


_HOW = {
    "embed": "an embedder",
    "ask": "a language model: give --llm URL#model, or set OPENAI_BASE_URL",
    "lm": "a causal language model",
    "tokenizer": "a tokenizer",
    "notes": "a place to keep what was written",
}


def build(spec: str, family: str | None = None, supplies: Supplies | None = None) -> Any:
    """What the recipe makes when built as the spec string says, such as `recursive:size=512,overlap=0`.

    Values are read by the annotation of the parameter they set; supplies: what makes the models that recipes name. One
    that is made of another recipe, named by a parameter such as `of="bm25"`, takes a keyword-only `build`: this
    function, with the same supplies.
    Raises UnknownRecipe for a name or parameter that is not there, or a value that does not fit; UserError when a
    model is not supplied.
    """
    made, chosen = _read(spec, family)
    for model in made.models:
        if not supplies or model not in supplies:
            raise UserError(f"{made.name} needs {_HOW.get(model, model)}")
        chosen[model] = supplies[model]()
    return made.build(**chosen, **_nested(made, lambda inner, of: build(inner, of, supplies)))


def _nested(made: Recipe, builds: BuildOther) -> dict[str, BuildOther]:
    return {"build": builds} if "build" in made._signature else {}


def models(spec: str, family: str | None = None) -> tuple[str, ...]:
    """The models that the recipe of a spec is made of; UnknownRecipe as in `find`."""
    return find(spec.partition(":")[0].strip(), family).models


def check(spec: str, family: str | None = None) -> None:
    """Raise what `build` would raise for the spec itself: UnknownRecipe, and UserError where it needs no model."""
    made, chosen = _read(spec, family)
    if not made.models:
        made.build(**chosen, **_nested(made, check))


def _read(spec: str, family: str | None) -> tuple[Recipe, dict[str, Any]]:
    """The recipe that a spec names and the parameters that it sets."""
    name, _, settings = spec.partition(":")
    made = find(name.strip(), family)
    chosen: dict[str, Any] = {}
    for key, value in _settings(spec, settings):
        if key not in made.parameters:
            known = ", ".join(made.parameters) or "none"
            raise UnknownRecipe(f"{made.name} has no parameter {key!r} in {spec!r}; it has {known}")
        chosen[key] = _value(spec, key, value, _kind(made.parameters[key]))
    return made, chosen


def _kind(parameter: inspect.Parameter) -> type | None:
    """The type that a parameter is annotated with, where it is one that a spec can set.

    Other annotations are not looked at: they may name what a module of recipes does not import when it is loaded.
    """
    kinds: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str, "_empty": str}
    return kinds.get(getattr(parameter.annotation, "__name__", parameter.annotation))


def specs(text: str) -> tuple[str, ...]:
    """The specs of a list such as `recursive:size=200,overlap=20,semantic`, in order.

    A piece that sets a parameter, `overlap=20`, belongs to the spec before it. Raises UnknownRecipe when there is none.
    """
    found: list[str] = []
    for piece in pieces(text, ","):
        if "=" not in piece.partition(":")[0]:
            found.append(piece)
        elif found:
            found[-1] += f"{',' if ':' in found[-1] else ':'}{piece}"
        else:
            raise UnknownRecipe(f"{piece!r} in {text!r} sets a parameter of no recipe; write recipe:{piece}")
    return tuple(found)


def _settings(spec: str, settings: str) -> Iterator[tuple[str, str]]:
    for setting in pieces(settings, ","):
        key, equals, value = setting.partition("=")
        if not equals:
            raise UnknownRecipe(f"cannot read {setting!r} in {spec!r}; write name:parameter=value,parameter=value")
        yield key.strip(), _unwrapped(value.strip())


def pieces(text: str, separator: str) -> list[str]:
    """The pieces of a list, without blanks around them, empty ones left out; what is in square brackets is one piece.

    A spec within a spec stands in brackets where it has commas of its own: `looping:of=[rrf:k=30,judges=10],rounds=2`.
    """
    found, depth = [""], 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == separator and depth <= 0:
            found.append("")
        else:
            found[-1] += character
    return [_unwrapped(piece) for part in found if (piece := part.strip())]


def _wrapped(value: Any) -> str:
    """A value as a spec has it: in brackets where it has commas of its own."""
    return f"[{value}]" if "," in str(value) else str(value)


def _unwrapped(value: str) -> str:
    """A value without the one pair of brackets that holds all of it."""
    inner = value[1:-1]
    depths = accumulate((one == "[") - (one == "]") for one in inner)
    whole = value.startswith("[") and value.endswith("]") and all(depth >= 0 for depth in depths)
    return inner.strip() if whole else value


def _value(spec: str, key: str, text: str, kind: Any) -> Any:
    if kind is bool:
        truth = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() in truth:
            return truth[text.lower()]
    elif kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    elif kind is str:
        return text
    expected = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "set from Python only")
    raise UnknownRecipe(f"{key}={text} in {spec!r}: {key} is {expected}")


def _all() -> dict[str, Recipe]:
    _load()
    return _registry


@cache
def _load() -> None:
    """Import every `recipes` module, wherever it stands, and no other; each imports only what it defines them with."""
    for root in map(Path, importlib.import_module("chunkwise").__path__):
        for file in sorted(root.rglob("recipes.py")):
            importlib.import_module(".".join(("chunkwise", *file.relative_to(root).with_suffix("").parts)))
