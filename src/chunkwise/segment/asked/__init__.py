"""Cuts that a language model is asked for, tiled whatever it answers.

prompts.py     what it is asked                                           shift.py     where the content shifts
paragraphs.py  the numbered units
masked.py      "first words [MASK] last words" back to places in a text   memory.py    outline, core content, chunk
summary.py     a document of any length in a few words, stage by stage
"""

from __future__ import annotations

from chunkwise.segment.asked.memory import Layered, best_of_layers, memory
from chunkwise.segment.asked.summary import Stage, Summary, summarise

__all__ = ["Layered", "Stage", "Summary", "best_of_layers", "memory", "summarise"]
