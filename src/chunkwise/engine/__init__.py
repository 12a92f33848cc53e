"""Tokens to tokens: the models that run here, on NumPy or PyTorch.

encoder.py  BERT-family encoders       byte_lm.py  the language model that comes with the package, of bytes
tensors.py  weights out of a file      recall.py   what a text has said before, as a correction of that model
threads.py  work on all cores

config.py   a decoder's shape          decoder.py  the Llama family: tokens to logits
weights.py  its tensors, checked       rope.py     where a token stands
linear.py   few rows, many, int8       experts.py  mixtures, and who hears whom
text.py     token ids, chats, streams
"""
