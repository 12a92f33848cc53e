"""How a prompt is cut: not at all, by tokens, by layers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """At most `most` tokens of a prompt in a step (0: as many as fit); `whole`: all that is left of it or nothing.

    model_layers: of the model, where that matters.
    """

    most: int = 0
    whole: bool = False
    model_layers: int = 1

    def tokens(self, left: int, room: int, budget: int) -> int:
        """How many of the `left` tokens go where the step has `room` of its `budget`; 0 to wait."""
        if self.whole and left > room and left <= budget:
            return 0
        return min(left, room, self.most or left)

    def layers(self, tokens: int, depth: int) -> range | None:
        """The layers that `tokens` tokens pass next, which have passed `depth`; None for all."""
        return None


def not_at_all() -> Split:
    """The whole prompt in one step; only one that is longer than any step is cut."""
    return Split(whole=True)


def by_tokens(most: int = 0) -> Split:
    """Chunks of `most` tokens, or of whatever room a step has."""
    return Split(most)


@dataclass(frozen=True)
class ByLayers(Split):
    """Whole prompts, a group of layers a step. groups: most of them; per: tokens that one group is for.

    Up to `per` tokens pass in one step; twice as many take twice as many steps, up to 4; up to 8 `per` take half of
    `groups`, and more take `groups`. A step costs about what a chunk of `per` tokens would, but every layer's weights
    are read once for the prompt. From Tokens to Layers: Redefining Stall-Free Scheduling for LLM Serving with Layered
    Prefill.
    """

    groups: int = 16
    per: int = 512

    def layers(self, tokens: int, depth: int) -> range | None:
        """The group that begins at `depth`, or holds it."""
        groups = min(self.model_layers, self._groups(tokens))
        if groups == 1 and depth == 0:
            return None
        ends = [self.model_layers * (number + 1) // groups for number in range(groups)]
        return range(depth, next(end for end in ends if end > depth))

    def _groups(self, tokens: int) -> int:
        doubled = 1 << max(0, -(-tokens // self.per) - 1).bit_length()
        return min(doubled, self.groups) if doubled <= 4 else max(1, self.groups // (1 + (doubled == 8)))


def by_layers(layers: int, groups: int = 16, per: int = 512) -> ByLayers:
    """Prompts pass a model of `layers` layers in up to `groups` steps."""
    return ByLayers(model_layers=layers, groups=groups, per=per)
