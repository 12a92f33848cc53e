"""What is measured, on what, and how sure one can be of it.

dataset.py     documents with questions, gold evidence and gold boundaries: what every measure is taken on
"""

from chunkwise.evaluate.dataset import Dataset, Evidence, Question

__all__ = ["Dataset", "Evidence", "Question"]
