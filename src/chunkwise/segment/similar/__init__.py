"""Cuts by how alike neighbouring sentences are, as an embedder sees them; each sentence is embedded once.

signal.py   how far the two sides of each gap between sentences are from each other
cluster.py  the best split into runs of alike sentences
paired.py   SAGE's trained classifier of two neighbouring sentences
window.py   spans that lie within the windows of a long-context encoder
"""
