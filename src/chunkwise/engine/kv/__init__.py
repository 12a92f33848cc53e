"""Keys and values of tokens that were computed, kept for whoever begins alike.

arena.py  where they lie: slots, given out as runs, and the tensors behind them
tree.py   whose they are: a prefix tree of runs of tokens, found, shared, held, let go
spill.py  what was let go, in a folder

compress/   what is kept of a sequence when not all of it can be       recipes.py   the published ways of it
"""
