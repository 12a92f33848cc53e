"""The few loops that torch has no quick form of, in C++ built at first use: never a condition for running.

build.py      the library, or None           lanes.h  eight floats at once
attention.py  few queries over many slots    linear.py  few rows through a weight matrix
between.py    what is done between those
"""

from chunkwise.engine.kernels.attention import Runs
from chunkwise.engine.kernels.between import Turned, small_norm, small_swiglu
from chunkwise.engine.kernels.build import library
from chunkwise.engine.kernels.linear import small_linear

__all__ = ["Runs", "Turned", "library", "small_linear", "small_norm", "small_swiglu"]
