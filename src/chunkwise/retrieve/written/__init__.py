"""Documents found by few short texts written of each, in place of all that they say.

key.py    the sentences that stand for a document where no model has written anything
stand.py  the texts that stand for documents, searched by vectors or by words
asked.py  what a model is asked to write: questions, cards
overlap.py  how much of the question's phrasing a text has     recipes.py  question-compression, paper-cards
"""
