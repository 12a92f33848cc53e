"""The job of comparing: any recipes side by side on the user's own documents.

material.py  what they are compared on: folders, questions asked or made, known sets
run.py       every pipeline of a grid on the same questions, gone on with where it was stopped
report.py    what came of it: intervals, which differences are noise, CSV and JSON
"""

from chunkwise.compare.material import Material, of_folders, of_set
from chunkwise.compare.report import FIELDS, apart, json_report, lines, rows, summary
from chunkwise.compare.run import WORK, Comparison, Step, compare

__all__ = [
    "FIELDS",
    "WORK",
    "Comparison",
    "Material",
    "Step",
    "apart",
    "compare",
    "json_report",
    "lines",
    "of_folders",
    "of_set",
    "rows",
    "summary",
]
