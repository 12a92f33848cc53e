"""Query to candidates.

words.py    what a text is searched by        lexical.py  BM25 over windows of any width
dense.py    the nearest vectors, exactly      fuse.py     one ranking out of several
blockmax.py the k best without scoring all    loops.py    the same, for numba to compile
corpus.py   the index as a retriever sees it  recipes.py  multiscale, bm25, bmp, dense, rrf, rerank
windows.py what is read together          judge/      who reads it, and scores it
notes.py    what a model has written of documents, asked for once and kept
branches.py several retrievers side by side
flow/       retrievers made of retrievers     expand/     what a candidate stands in
graph/      a walk over what documents state  written/    few texts stand for a document
decoded/    a model writes the evidence down, in the documents' words alone
vectors/    vectors by stored codes, and by anchors of another space
"""

from chunkwise.retrieve.corpus import Corpus, Retriever, candidates
from chunkwise.retrieve.words import Words, words

__all__ = ["Corpus", "Retriever", "Words", "candidates", "words"]
