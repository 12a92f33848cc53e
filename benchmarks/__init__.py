"""Benchmarks, one command each, run from the repository's root: `python -m benchmarks.<name>`.

quality   recall, precision and IoU of the packed text under hard token budgets, beside other libraries
indexing  time and memory of indexing the standard library, beside other libraries
query     latency of pack in a warm process, of a cold `chunkwise ask`, and at 100,000 chunks

Each needs `pip install -r benchmarks/requirements.txt`, measures every system in the same run, and writes what it saw
to `benchmarks/results/`.
"""
