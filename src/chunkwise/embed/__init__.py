"""Text to vectors: `embedder("minilm")(texts)` is float32 [n, d], rows of length 1.

choose.py      which embedder a spec string names, and what every embedder does
contextual.py  MiniLM and any local sentence-transformers folder, run by our own encoder
static.py      one vector for each word piece, distilled from MiniLM
endpoint.py    any OpenAI-compatible /v1/embeddings
"""

from chunkwise.embed.choose import Distilled, Embedder, InContext, embedder

__all__ = ["Distilled", "Embedder", "InContext", "embedder"]
