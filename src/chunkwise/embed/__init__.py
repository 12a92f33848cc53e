"""Text to vectors: `embedder("minilm")(texts)` is float32 [n, d], rows of length 1.

choose.py      which embedder a spec string names, and what every embedder does
contextual.py  MiniLM and any local sentence-transformers folder, run by our own encoder
static.py      one vector for each word piece, distilled from MiniLM
endpoint.py    any OpenAI-compatible /v1/embeddings

A chunk seen in its document (recipes.py, made of situated.py) varies by
views.py       what is shown for its sake: neighbours, section, document;  written.py  contexts that are written for it
pooling.py     how token states become its vector
heads.py       what is corrected by training
"""

from chunkwise.embed.choose import Contextualised, Distilled, Embedder, InContext, embedder, is_recipe

__all__ = ["Contextualised", "Distilled", "Embedder", "InContext", "embedder", "is_recipe"]
