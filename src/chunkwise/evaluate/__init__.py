"""What is measured, on what, and how sure one can be of it.

dataset.py     documents with questions, gold evidence and gold boundaries: what every measure is taken on
sets/          the sets that can be loaded by name, and a user's own
boundaries.py  where a text was cut against where a reader would cut it
chunks.py      the chunks by themselves: sizes, what they keep whole, what a language model says of the cuts
spans.py       what was handed to the reader against the evidence
ranking.py     the order of what was retrieved against grades
answers.py     the reader's words against accepted answers, its citations against the evidence
cost.py        time, memory, tokens given to the reader
confidence.py  intervals over questions, and which differences are noise
questions.py   questions made from documents, for those who have none
grid.py        which pipelines are compared;  recipes.py  the grids of papers
results.py     what was measured, kept line by line;  plot.py  recall against tokens as a picture
"""

from chunkwise.evaluate.answers import AnswerScores, CitationScores, answer_scores, citation_scores
from chunkwise.evaluate.boundaries import BoundaryScores, boundary_scores, pk, window_diff
from chunkwise.evaluate.chunks import SizeStats, kept_whole, mean_clarity, mean_stickiness, size_stats
from chunkwise.evaluate.confidence import Difference, Interval, difference, holm, interval
from chunkwise.evaluate.cost import Cost, measured, measured_apart, reader_tokens
from chunkwise.evaluate.dataset import Dataset, Evidence, Question
from chunkwise.evaluate.grid import OURS, Grid, Pipeline, labels
from chunkwise.evaluate.ranking import average_precision, dcg, ndcg, recall_at_k, reciprocal_rank
from chunkwise.evaluate.results import Cell, Results
from chunkwise.evaluate.sets import SETS, load, own
from chunkwise.evaluate.spans import SpanScores, covered, in_tokens, precision_omega, span_scores

__all__ = [
    "OURS",
    "SETS",
    "AnswerScores",
    "BoundaryScores",
    "Cell",
    "CitationScores",
    "Cost",
    "Dataset",
    "Difference",
    "Evidence",
    "Grid",
    "Interval",
    "Pipeline",
    "Question",
    "Results",
    "SizeStats",
    "SpanScores",
    "answer_scores",
    "average_precision",
    "boundary_scores",
    "citation_scores",
    "covered",
    "dcg",
    "difference",
    "holm",
    "in_tokens",
    "interval",
    "kept_whole",
    "labels",
    "load",
    "mean_clarity",
    "mean_stickiness",
    "measured",
    "measured_apart",
    "ndcg",
    "own",
    "pk",
    "precision_omega",
    "reader_tokens",
    "recall_at_k",
    "reciprocal_rank",
    "size_stats",
    "span_scores",
    "window_diff",
]
