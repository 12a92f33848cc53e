"""Keys and values under a budget: what is kept of a sequence when not all of it can be.

policy.py   the axes put together, and the line that they are written in
host.py     an `Attend` that keeps sequences as a policy says          store.py     where the kept lie
entries.py  what scores and actions see                                element.py   how a choice is written

score.py    how important is an entry      smooth.py   and its surroundings
unit.py     token, chunk                   budget.py   how many, by layer and head
protect.py  sinks, recent                  action.py   evict, merge
refresh.py  when                       code.py     how they are written down
"""

from chunkwise.engine.kv.compress.action import Cluster, Evict, Nearest, Representatives, Residual
from chunkwise.engine.kv.compress.budget import Global, Mass, PerHead, Pyramid, Uniform
from chunkwise.engine.kv.compress.code import Bits, Plain, Slerp
from chunkwise.engine.kv.compress.host import Compressing
from chunkwise.engine.kv.compress.policy import KVPolicy
from chunkwise.engine.kv.compress.protect import Nothing, Recent, Sinks
from chunkwise.engine.kv.compress.refresh import EachPass, Every, Once
from chunkwise.engine.kv.compress.score import (
    ExpectedAttention,
    Instruction,
    KeyNorm,
    Ladder,
    Lag,
    PerQuery,
    Random,
    Received,
    Recency,
    Window,
)
from chunkwise.engine.kv.compress.smooth import MaxPool, Pool, Shared
from chunkwise.engine.kv.compress.unit import Chunk, Token

__all__ = [
    "Bits",
    "Chunk",
    "Cluster",
    "Compressing",
    "EachPass",
    "Every",
    "Evict",
    "ExpectedAttention",
    "Global",
    "Instruction",
    "KVPolicy",
    "KeyNorm",
    "Ladder",
    "Lag",
    "Mass",
    "MaxPool",
    "Nearest",
    "Nothing",
    "Once",
    "PerHead",
    "PerQuery",
    "Plain",
    "Pool",
    "Pyramid",
    "Random",
    "Received",
    "Recency",
    "Recent",
    "Representatives",
    "Residual",
    "Shared",
    "Sinks",
    "Slerp",
    "Token",
    "Uniform",
    "Window",
]
