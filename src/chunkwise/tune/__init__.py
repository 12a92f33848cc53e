"""The job of tuning: which pipeline to use on the user's own documents, and how sure one can be of it.

space.py   what is tried, our default first      halving.py  the better half of them, on twice the questions
front.py   what nothing else beats, in tokens and in time      choice.py   what to use, and how sure that is
run.py     the search, the held-out questions, the clock
"""

from chunkwise.tune.choice import Choice, choose
from chunkwise.tune.front import Point, front, points
from chunkwise.tune.run import WORK, Trial, Tuned, tune
from chunkwise.tune.space import space

__all__ = ["WORK", "Choice", "Point", "Trial", "Tuned", "choose", "front", "points", "space", "tune"]
