"""Tokens to tokens: the models that run here, on NumPy or PyTorch.

The engine, in the order of a request's way (docs/engine.md):

complete.py    choices of text           stops.py       text up to a stop string
loop.py        requests to tokens        schedule/      who is computed next
kv/            what is kept, and where   attention.py   who hears what, in parts that are merged
decoder.py     the Llama family          sample/        logits to the next token
config.py      a decoder's shape         weights.py     its tensors, checked
rope.py        where a token stands      linear.py      products of few rows, of many, in int8
norm.py        of a sum                  experts.py     SwiGLU, and mixtures of it
text.py        token ids, chats, streams
kernels/       few queries and few rows, compiled where that can be
simulate/      the same schedulers against a cost model
oracle/        a small model that retrieves, its tasks and measures

bias.py        biases as thin factors    dual_chunk.py  beyond the trained length
softmax.py     in two readings           recipes.py     ways to attend

encoder.py     BERT-family encoders      byte_lm.py     the language model that comes with the package, of bytes
tensors.py     weights out of a file     recall.py      what a text has said before, as a correction of that model
threads.py     work on all cores
"""
