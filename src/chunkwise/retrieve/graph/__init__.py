"""Chunks, what they state and what they speak of, in one graph that is walked from what the question finds.

triplets.py   subject, relation, object: by patterns, or as a model writes them
knowledge.py  the graph of an index     walk.py  personalised PageRank     recipes.py  tearag, tearag-asked
"""
