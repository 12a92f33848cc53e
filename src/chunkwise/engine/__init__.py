"""Tokens to tokens: the models that run here, on NumPy or PyTorch.

encoder.py  BERT-family encoders       byte_lm.py  the language model that comes with the package, of bytes
tensors.py  weights out of a file      recall.py   what a text has said before, as a correction of that model
threads.py  work on all cores
"""
