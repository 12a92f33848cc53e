"""Judges: a question and what is read for it to scores.

choose.py         which judge a spec string names, and what every judge does
in_context.py     MiniLM, each chunk as it means where it stands
cross_encoder.py  any local cross-encoder folder, run by our own encoder
endpoint.py       any endpoint that speaks /rerank
"""

from chunkwise.retrieve.judge.choose import Judge, Reading, judge

__all__ = ["Judge", "Reading", "judge"]
