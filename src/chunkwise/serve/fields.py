"""What a request's JSON asks for, every field accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from chunkwise.engine.complete import Ask, Completer
from chunkwise.engine.sample import Transform, chain, transforms
from chunkwise.engine.sample.transform import nucleus_of, temperature
from chunkwise.errors import UserError

MOST_CHOICES = 128
MOST_STOPS = 16
MOST_ALTERNATIVES = 20
PLAIN = 16  # tokens of a plain completion, where the request does not say

# Fields that change nothing of an answer here.
_SILENT = frozenset(("metadata", "prompt_cache_key", "safety_identifier", "service_tier", "store", "user"))


class Refused(UserError):
    """A request that cannot be done as it is. field: what of it, None for all; status and code: as HTTP has them."""

    def __init__(self, message: str, field: str | None = None, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.field, self.status, self.code = field, status, code


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request as it was read. asks: one a prompt; chat: whether it is one; stream, usage: how it is answered."""

    asks: tuple[Ask, ...]
    chat: bool
    stream: bool
    usage: bool


def read(body: Any, completer: Completer, chat: bool) -> Wanted:
    """What the JSON of a completion, or of a chat, asks for. Raises Refused, which names the field."""
    if not isinstance(body, dict):
        raise Refused('the body is to be a JSON object, such as {"model": ..., "prompt": ...}')
    fields = _Fields(body)
    model = fields.text("model")
    if model not in (None, completer.name):
        raise Refused(f"there is no model {model!r} here, only {completer.name!r}", "model", 404, "model_not_found")
    most = fields.whole("max_tokens", 1)
    if chat:
        most = fields.whole("max_completion_tokens", 1) or most
        fields.only("response_format", {"type": "text"})
        alternatives = _chat_alternatives(fields)
    else:
        most = most or PLAIN
        alternatives = fields.whole("logprobs", 0, MOST_ALTERNATIVES)
        fields.only("echo", False)
    n = fields.whole("n", 1, MOST_CHOICES) or 1
    if not chat:
        fields.only("best_of", n)
    stream = fields.truth("stream")
    options = _Fields(fields.take("stream_options", dict, "an object") or {}, "stream_options.")
    usage = options.truth("include_usage")
    options.truth("include_obfuscation")
    options.done()
    ask = Ask(
        (),
        most,
        n,
        _stops(fields),
        _transform(fields),
        fields.whole("seed", -(2**63), 2**63 - 1),
        fields.number("presence_penalty", -2, 2) or 0.0,
        fields.number("frequency_penalty", -2, 2) or 0.0,
        _bias(fields, completer.vocabulary),
        alternatives,
    )
    prompts = [_chat(fields, completer)] if chat else _prompts(fields, completer)
    fields.done()
    if len(prompts) * n > MOST_CHOICES:
        raise Refused(f"{len(prompts)} prompts of {n} choices are more than {MOST_CHOICES}; ask for fewer at once", "n")
    return Wanted(tuple(replace(ask, prompt=prompt) for prompt in prompts), chat, stream, usage)


class _Fields:
    """A JSON object whose fields are taken one by one."""

    def __init__(self, body: Mapping[str, Any], where: str = "") -> None:
        self._left, self._where = dict(body), where

    def take(self, name: str, kind: type | tuple[type, ...], called: str) -> Any:
        """The field, None where it is missing or null."""
        value = self._left.pop(name, None)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            self.refuse(name, f"is to be {called}")
        return value

    def text(self, name: str) -> str | None:
        value: str | None = self.take(name, str, "a string")
        return value

    def truth(self, name: str) -> bool:
        return bool(self.take(name, bool, "true or false"))

    def whole(self, name: str, least: int, most: int = 2**31) -> int | None:
        value: int | None = self.take(name, int, "a whole number")
        if value is not None and not least <= value <= most:
            self.refuse(name, f"is to be from {least:,} to {most:,}, not {value}")
        return value

    def number(self, name: str, least: float, most: float) -> float | None:
        value = self.take(name, (int, float), "a number")
        if value is not None and not least <= value <= most:
            self.refuse(name, f"is to be from {least:g} to {most:g}, not {value}")
        return None if value is None else float(value)

    def only(self, name: str, value: Any) -> None:
        """A field of which one value alone can be had here."""
        if self._left.pop(name, None) not in (None, value):
            self.refuse(name, f"can only be {value!r} here" if value else "cannot be had here")

    def refuse(self, name: str, why: str) -> NoReturn:
        raise Refused(f"{self._where}{name} {why}", f"{self._where}{name}")

    def done(self) -> None:
        """Refuse what nobody took; what is null or empty asks for nothing."""
        for name, value in self._left.items():
            if name not in _SILENT and value not in (None, [], {}):
                self.refuse(name, "is not known here; leave it out")


def _chat_alternatives(fields: _Fields) -> int | None:
    wanted, alternatives = fields.truth("logprobs"), fields.whole("top_logprobs", 0, MOST_ALTERNATIVES)
    if alternatives and not wanted:
        fields.refuse("top_logprobs", "goes with logprobs: true")
    return alternatives or 0 if wanted else None


def _stops(fields: _Fields) -> tuple[str, ...]:
    value = fields.take("stop", (str, list), "a string or a list of strings")
    stops = [value] if isinstance(value, str) else value or []
    if len(stops) > MOST_STOPS or not all(isinstance(stop, str) and stop for stop in stops):
        fields.refuse("stop", f"is to be up to {MOST_STOPS} strings, none of them empty")
    return tuple(stops)


def _transform(fields: _Fields) -> Transform:
    hot, p, spec = fields.number("temperature", 0, 2), fields.number("top_p", 0, 1), fields.text("sampler")
    if spec is not None:
        if hot is not None or p is not None:
            fields.refuse("sampler", "says all of it: leave temperature and top_p out")
        try:
            return transforms(spec)
        except UserError as error:
            fields.refuse("sampler", f"cannot be read: {error}")
    hot = 1.0 if hot is None else hot
    steps = [temperature(hot)] if hot != 1 else []
    return chain(*steps, *([nucleus_of(p)] if p is not None and p < 1 and hot else []))


def _bias(fields: _Fields, vocabulary: int) -> dict[int, float]:
    found: dict[int, float] = {}
    for token, value in (fields.take("logit_bias", dict, "an object") or {}).items():
        number = int(token) if token.isascii() and token.isdecimal() and len(token) < 10 else -1
        if not 0 <= number < vocabulary:
            fields.refuse("logit_bias", f"names token {token!r}; there are 0 to {vocabulary - 1}")
        if not isinstance(value, int | float) or isinstance(value, bool) or not -100 <= value <= 100:
            fields.refuse("logit_bias", f"of token {token} is to be from -100 to 100")
        found[number] = float(value)
    return found


def _prompts(fields: _Fields, completer: Completer) -> list[Sequence[int]]:
    """A string, ids, or a list of either."""
    value = fields.take("prompt", (str, list), "a string, token ids, or a list of them")
    alone = isinstance(value, str) or _ids(value)
    prompts = [value] if alone else value or []
    if not prompts:
        fields.refuse("prompt", "is missing")
    if not all(isinstance(prompt, str) or _ids(prompt) for prompt in prompts):
        fields.refuse("prompt", "is to be a string, token ids, or a list of them")
    encoded = [completer.tokenizer.encode(prompt) if isinstance(prompt, str) else prompt for prompt in prompts]
    return [_fitting(fields, "prompt", prompt, completer) for prompt in encoded]


def _ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) is int for one in value)


def _chat(fields: _Fields, completer: Completer) -> Sequence[int]:
    messages = fields.take("messages", list, "a list of messages")
    if not messages:
        fields.refuse("messages", "is missing")
    told = [_message(message, number) for number, message in enumerate(messages)]
    try:
        prompt = completer.tokenizer.chat(told)
    except UserError as error:
        fields.refuse("messages", f"cannot be used: {error}")
    return _fitting(fields, "messages", completer.tokenizer.encode(prompt, special=False), completer)


def _message(message: Any, number: int) -> dict[str, str]:
    where = f"messages[{number}]"
    if not isinstance(message, dict):
        raise Refused(f"{where} is to be an object with a role and a content", where)
    fields = _Fields(message, f"{where}.")
    role = fields.text("role")
    if not role:
        fields.refuse("role", "is missing")
    content = fields.take("content", (str, list), "a string or a list of texts")
    if isinstance(content, list):
        parts = [part if isinstance(part, dict) else {} for part in content]
        if not all(part.get("type") == "text" and isinstance(part.get("text"), str) for part in parts):
            fields.refuse("content", 'may hold {"type": "text", "text": ...} alone: this model only reads')
        content = "".join(part["text"] for part in parts)
    name = fields.text("name")
    fields.only("refusal", None)
    fields.done()
    return {"role": role, "content": content or "", **({"name": name} if name else {})}


def _fitting(fields: _Fields, name: str, prompt: Sequence[int], completer: Completer) -> Sequence[int]:
    """The prompt, where it leaves room for one token and has no other model's."""
    if len(prompt) >= completer.window:
        fields.refuse(name, f"has {len(prompt):,} tokens, which leave no room in {completer.window:,}; shorten it")
    if not len(prompt):
        fields.refuse(name, "has no tokens; give at least one")
    if not 0 <= min(prompt) <= max(prompt) < completer.vocabulary:
        fields.refuse(name, f"has tokens outside 0 to {completer.vocabulary - 1}")
    return prompt
