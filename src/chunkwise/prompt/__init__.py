"""What the model reads: the stable part first, numbered passages, the question last; and who was cited in the reply."""

from __future__ import annotations

from chunkwise.prompt.citations import Citations, cited, uncited
from chunkwise.prompt.injection import Injection, injections
from chunkwise.prompt.keep import Layout
from chunkwise.prompt.layout import INSTRUCTIONS, Message, context, label, messages, prompt
from chunkwise.prompt.reuse import Prices, Reuse, reuse

__all__ = [
    "INSTRUCTIONS",
    "Citations",
    "Injection",
    "Layout",
    "Message",
    "Prices",
    "Reuse",
    "cited",
    "context",
    "injections",
    "label",
    "messages",
    "prompt",
    "reuse",
    "uncited",
]
