"""Small to big: what is found is a chunk, what is offered is the chunk and what it stands in.

reach.py  which chunks come with a candidate, and how far away each one is     recipes.py  neighbours, parent
"""
