"""The terminal's face: commands over the jobs of `chunkwise.index`, `pack`, `ask` and `compare`.

run.py      errors and interrupts to exit codes     commands.py  what can be typed
where.py    which knowledge base is meant           bar.py       how far a long run is
last.py     the last pack, kept for `explain`       show.py      results as a person reads them
generated.py  a local model, and what it writes
page.py     the last pack as a web page            compared.py  a comparison as a person reads it
tuned.py    a tuning as a person reads it          simulated.py a simulation as a person reads it
"""

from chunkwise.cli.run import main

__all__ = ["main"]
