"""Search by the vectors that the index has, stored otherwise or asked by another embedder.

codes.py  vectors in fewer bytes    relative.py  two spaces, seen from the same anchors    recipes.py  retrievers
"""
