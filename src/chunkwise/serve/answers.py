"""What comes of a request, in the shapes that OpenAI's API has."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterable
from typing import Any

from chunkwise.engine.complete import Done, Said
from chunkwise.engine.loop import Token
from chunkwise.engine.text import Tokenizer


class Answer:
    """One request's answer: chunks of a stream, or the whole of them.

    chat: of a chat or of a plain completion; logprobs: whether tokens are told.
    """

    def __init__(self, tokenizer: Tokenizer, model: str, chat: bool, logprobs: bool, usage: bool) -> None:
        self._tokenizer, self._chat, self._logprobs, self._usage = tokenizer, chat, logprobs, usage
        kind = "chat.completion" if chat else "text_completion"
        self._head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{secrets.token_hex(12)}",
            "object": kind,
            "created": int(time.time()),
            "model": model,
        }
        self._begun: set[int] = set()  # choices

    def chunk(self, said: Said) -> dict[str, Any]:
        """A piece of a stream; a chat's first one of a choice names the role."""
        first = said.choice not in self._begun
        self._begun.add(said.choice)
        choice = self._choice(said)
        if self._chat:
            role = {"role": "assistant"} if first else {}
            choice["delta"] = {**role, "content": said.text} if said.text or first else {}
        else:
            choice["text"] = said.text
        return self._piece([choice])

    def usage(self, done: Iterable[Done]) -> dict[str, Any]:
        """The last piece of a stream that tells its usage."""
        return self._piece([]) | {"usage": usage(done)}

    def whole(self, said: Iterable[Said], done: Iterable[Done]) -> dict[str, Any]:
        """All at once."""
        by_choice: dict[int, list[Said]] = {}
        for one in said:
            by_choice.setdefault(one.choice, []).append(one)
        choices = []
        for number, pieces in sorted(by_choice.items()):
            text = "".join(piece.text for piece in pieces)
            tokens = tuple(token for piece in pieces for token in piece.tokens)
            told = (
                {"message": {"role": "assistant", "content": text, "refusal": None}} if self._chat else {"text": text}
            )
            choices.append(self._choice(Said(number, text, tokens, pieces[-1].finish)) | told)
        return {**self._head, "choices": choices, "usage": usage(done)}

    def _choice(self, said: Said) -> dict[str, Any]:
        return {"index": said.choice, "logprobs": self._probabilities(said), "finish_reason": said.finish}

    def _piece(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return {**self._head, "object": kind, "choices": choices, **({"usage": None} if self._usage else {})}

    def _probabilities(self, said: Said) -> dict[str, Any] | None:
        if not self._logprobs:
            return None
        if self._chat:
            return {"content": [self._chat_token(token) for token, _ in said.tokens], "refusal": None}
        return {
            "tokens": [self._name(token.token) for token, _ in said.tokens],
            "token_logprobs": [finite(token.logprob) for token, _ in said.tokens],
            "top_logprobs": [{self._name(one): finite(p) for one, p in token.best} for token, _ in said.tokens],
            "text_offset": [start for _, start in said.tokens],
        }

    def _chat_token(self, token: Token) -> dict[str, Any]:
        best = [self._probability(*one) for one in token.best]
        return self._probability(token.token, token.logprob) | {"top_logprobs": best}

    def _probability(self, token: int, logprob: float) -> dict[str, Any]:
        return {
            "token": self._name(token),
            "logprob": finite(logprob),
            "bytes": list(self._tokenizer.spelled(token)),
        }

    def _name(self, token: int) -> str:
        """The token's text; a part of a character as OpenAI writes it: `bytes:\\xe2\\x82`."""
        spelled = self._tokenizer.spelled(token)
        try:
            return spelled.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in spelled)


def usage(done: Iterable[Done]) -> dict[str, Any]:
    """Tokens in, tokens out, and those that were not computed anew."""
    prompt, cached, completion = (sum(counts) for counts in zip(*done, strict=True))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def finite(logprob: float) -> float:
    """A log-probability that JSON can hold; OpenAI writes -9999 for what is next to impossible."""
    return max(logprob, -9999.0) if math.isfinite(logprob) else -9999.0
