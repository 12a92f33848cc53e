"""Evidence that a language model writes down, held to what the documents say: it can write nothing else.

prefix.py  the beginnings of sentences, decoded one word at a time     skip.py  where the evidence ends
recipes.py  cfic
"""
