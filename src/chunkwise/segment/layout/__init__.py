"""Cuts by where text stands on its pages: clusters of near elements, batches of pages with what they leave open.

`elements.py` makes every document a row of elements, `graph.py` clusters them, `batches.py` carries what is open over
the border of a batch, `recipes.py` is what can be asked for by name.
"""
