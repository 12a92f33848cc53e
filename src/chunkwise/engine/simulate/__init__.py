"""How an engine would fare: requests through a scheduler against a clock, without a model.

traces.py    requests, read or drawn          events.py    step after step, or over stretches of them
cost.py      how long a step takes            memory.py    slots by count
measures.py  what came of it                  closed.py    queues that have a formula
pools.py     work in stages and on devices    recipes.py   placements and overlaps as papers have them
"""

from chunkwise.engine.simulate.cost import Cost, Fitted, Hardware, Part, Roofline, Shape, fit
from chunkwise.engine.simulate.events import Run, simulate
from chunkwise.engine.simulate.measures import Measures, Slo, measure
from chunkwise.engine.simulate.traces import Job, generate

__all__ = [
    "Cost", "Fitted", "Hardware", "Job", "Measures", "Part", "Roofline", "Run", "Shape", "Slo", "fit", "generate",
    "measure", "simulate",
]  # fmt: skip
