"""Cuts where a causal language model is surprised: by the sentence, by the byte, by its own change of state.

`perplexity.py`, `gain.py` and `margin.py` give a signal between sentences, `spans.py` and `dynamic.py` one between
characters; `recipes.py` makes cuts of them.
"""
