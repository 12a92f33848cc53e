"""Whether a way of keeping keys and values still answers: a small model that retrieves, its questions, what they tell.

model.py     the weights that come with the package       tasks.py     questions whose answers stand in the context
measures.py  right answers, the laws behind them, the attention that is left
"""
