"""Selectors that go by what candidates say: as a model judges it that is asked or that reads, or as one another do.

prompts.py    what the model is asked            replies.py    what it says, as numbers
verdict.py    a judgement of every candidate, and the selector that goes by it
readings.py   candidates read together, in the order in which they stand
relevance.py  scored, scored again, criticised   rationale.py  what a passage must tell, and those that tell it
answer.py     which reading holds the answer, by asking or by a model's entropy
voices.py     sources that say the same as others, which count as one
"""
