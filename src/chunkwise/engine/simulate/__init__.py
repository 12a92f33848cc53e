"""How an engine would fare: requests through a scheduler against a clock, without a model.

traces.py    requests, read or drawn          events.py    step after step, or over stretches of them
cost.py      how long a step takes            memory.py    slots by count
measures.py  what came of it                  closed.py    queues that have a formula
pools.py     work in stages and on devices    recipes.py   placements and overlaps as papers have them
"""
