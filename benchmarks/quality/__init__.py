"""How much of the evidence does the packed text hold, at a hard token budget?

    python -m benchmarks.quality --data DIR

sets        data sets: documents, questions, and where in the documents each question's evidence stands
chunkers    the peers' chunkers, with character offsets
retrievers  what ranks the peers' chunks: BM25, MiniLM cosine, fusion of the two by rank
rows        the peers' settings and ours, each as "questions and budgets in, character ranges out"
scoring     recall, precision, IoU, and the bootstrap of a difference
report      tables;  plot  the curves
"""
