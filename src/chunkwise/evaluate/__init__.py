"""What is measured, on what, and how sure one can be of it.

dataset.py     documents with questions, gold evidence and gold boundaries: what every measure is taken on
boundaries.py  where a text was cut against where a reader would cut it
spans.py       what was handed to the reader against the evidence
"""

from chunkwise.evaluate.boundaries import BoundaryScores, boundary_scores, pk, window_diff
from chunkwise.evaluate.dataset import Dataset, Evidence, Question
from chunkwise.evaluate.spans import SpanScores, in_tokens, precision_omega, span_scores

__all__ = [
    "BoundaryScores",
    "Dataset",
    "Evidence",
    "Question",
    "SpanScores",
    "boundary_scores",
    "in_tokens",
    "pk",
    "precision_omega",
    "span_scores",
    "window_diff",
]
