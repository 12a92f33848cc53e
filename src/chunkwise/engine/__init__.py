"""Tokens to tokens: the models that run here, on NumPy or PyTorch.

encoder.py  BERT-family encoders       byte_lm.py  the language model that comes with the package, of bytes
tensors.py  weights out of a file      recall.py   what a text has said before, as a correction of that model
threads.py  work on all cores

attention.py   parts heard and merged    kernels/       few queries and few rows, compiled where that can be
bias.py        biases as thin factors    dual_chunk.py  beyond the trained length
softmax.py     in two readings           recipes.py     ways to attend
"""
