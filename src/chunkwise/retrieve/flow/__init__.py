"""Retrievers composed of retrievers: the flows of Modular RAG. Each is a retriever itself, so that flows nest.

condition.py  what a question is like, to choose a way by     feedback.py  what a found text adds to a question
recipes.py    linear, conditional, branching, looping
"""
