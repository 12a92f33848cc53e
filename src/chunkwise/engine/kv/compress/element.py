"""Elements: what may stand on an axis of a policy, each written as it is read: `window(64)`."""

from __future__ import annotations

import difflib
import re
from dataclasses import Field, fields
from typing import Any, ClassVar, TypeVar, cast

from chunkwise.errors import UnknownRecipe

Kind = TypeVar("Kind", bound="Element")


class Element:
    """One choice on one axis: a frozen dataclass whose fields are ints, floats, bools or words.

    Its name in a spec is that of its class, `ExpectedAttention` as `expected-attention`. axis: what it is a choice of.
    """

    axis: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    _known: ClassVar[dict[str, dict[str, type[Element]]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "axis" not in cls.__dict__ and not cls.__name__.startswith("_"):
            Element._known.setdefault(cls.axis, {})[cls.name()] = cls

    @classmethod
    def name(cls) -> str:
        """As a spec has it."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    @property
    def spec(self) -> str:
        """The element as a spec has it, every argument written out."""
        values = ",".join(str(getattr(self, one.name)) for one in fields(self))
        return f"{self.name()}({values})" if values else self.name()

    @classmethod
    def read(cls: type[Kind], text: str) -> Kind:
        """The element that `name(argument,name=argument)` stands for.

        Raises UnknownRecipe for a name or an argument that is not there, or a value that does not fit.
        """
        found = re.fullmatch(r"\s*([\w-]+)\s*(?:\((.*)\))?\s*", text)
        if found is None:
            raise UnknownRecipe(f"cannot read {text!r} as {cls.axis}; write name(argument,argument)")
        known = Element._known[cls.axis]
        made = known.get(found[1])
        if made is None:
            near = difflib.get_close_matches(found[1], known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
            raise UnknownRecipe(f"no {cls.axis} {found[1]!r}: {hint}")
        places = {one.name: one for one in fields(made)}
        given: dict[str, Any] = {}
        for at, argument in enumerate(filter(None, map(str.strip, (found[2] or "").split(",")))):
            key, equals, value = argument.partition("=")
            key, value = (key.strip(), value.strip()) if equals else (next(iter([*places][at : at + 1]), ""), key)
            if key not in places:
                raise UnknownRecipe(f"{found[1]} takes no {argument!r}; it has {', '.join(places) or 'no arguments'}")
            given[key] = _value(text, value, places[key])
        return cast(Kind, made(**given))


def _value(text: str, value: str, place: Field[Any]) -> Any:
    try:
        if place.type == "bool":
            return {"true": True, "false": False}[value.lower()]
        return {"int": int, "float": float, "str": str}[str(place.type)](value)
    except (KeyError, ValueError):
        raise UnknownRecipe(f"{place.name}={value} in {text!r}: {place.name} is a {place.type}") from None
