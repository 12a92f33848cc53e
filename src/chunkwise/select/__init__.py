"""The shared primitives over arrays, and the selectors composed of them.

arrays     NumPy or torch
cut        how far down a ranking to go
gain       what an item would add to the set that is already chosen
utility    what a whole set is worth
search     choosing under a limit: greedily, farthest first;  tree  by Monte Carlo tree search
grouped/   a budget divided among groups, and which group to look at next
roles      one shared set of candidates, for each role the part that it needs
selector   a search over arrays, told as a selection with a reason for every candidate
"""

from chunkwise.select.cut import elbow, nucleus, sharp_drop, threshold, top_k
from chunkwise.select.gain import (
    Concave,
    Coverage,
    Distance,
    Gain,
    LogDet,
    Quota,
    Redundancy,
    Relevance,
    Weighted,
    scaled,
)
from chunkwise.select.grouped.bandit import ucb
from chunkwise.select.grouped.group import clusters
from chunkwise.select.grouped.quota import quotas
from chunkwise.select.roles import route
from chunkwise.select.search import Choice, farthest_first, greedy
from chunkwise.select.selector import Selector, by_position, selector
from chunkwise.select.tree import Utility, mcts
from chunkwise.select.utility import Informed

__all__ = [
    "Choice",
    "Concave",
    "Coverage",
    "Distance",
    "Gain",
    "Informed",
    "LogDet",
    "Quota",
    "Redundancy",
    "Relevance",
    "Selector",
    "Utility",
    "Weighted",
    "by_position",
    "clusters",
    "elbow",
    "farthest_first",
    "greedy",
    "mcts",
    "nucleus",
    "quotas",
    "route",
    "scaled",
    "selector",
    "sharp_drop",
    "threshold",
    "top_k",
    "ucb",
]
