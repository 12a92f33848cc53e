"""Judges: a question and what is read for it to scores.

choose.py         which judge a spec string names, and what every judge does
cross_encoder.py  any local cross-encoder folder, run by our own encoder
endpoint.py       any endpoint that speaks /rerank
"""

from chunkwise.retrieve.judge.choose import Judge, Reading, judge

__all__ = ["Judge", "Reading", "judge"]
