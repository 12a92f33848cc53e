"""The job of comparing: any recipes side by side on the user's own documents.

material.py  what they are compared on: folders, questions asked or made, known sets
run.py       every pipeline of a grid on the same questions, gone on with where it was stopped
indexes.py   the documents, cut and embedded as each pipeline has them
asked.py     every question asked of one index;  answers.py  what is read from what it gives
cuts.py      how good a cut is by itself;  measures.py  what is only measured when it is asked for
fallen.py    what fell back meanwhile
keys.py      what determines an index or a cell, so that neither is made twice
report.py    what came of it: intervals, which differences are noise, CSV and JSON
"""

from chunkwise.compare.material import Material, of_folders, of_set
from chunkwise.compare.measures import MEASURES, checked
from chunkwise.compare.report import FIELDS, apart, json_report, lines, rows, summary
from chunkwise.compare.run import WORK, Comparison, Step, compare

__all__ = [
    "FIELDS",
    "MEASURES",
    "WORK",
    "Comparison",
    "Material",
    "Step",
    "apart",
    "checked",
    "compare",
    "json_report",
    "lines",
    "of_folders",
    "of_set",
    "rows",
    "summary",
]
