"""Query to candidates.

words.py    what a text is searched by        lexical.py  BM25 over windows of any width
dense.py    the nearest vectors, exactly      fuse.py     one ranking out of several
windows.py  what is read together             judge/      who reads it, and scores it
corpus.py   the index as a retriever sees it  recipes.py  multiscale, bm25, dense, rrf, rerank
"""

from chunkwise.retrieve.corpus import Corpus, Retriever, candidates
from chunkwise.retrieve.words import Words, words

__all__ = ["Corpus", "Retriever", "Words", "candidates", "words"]
