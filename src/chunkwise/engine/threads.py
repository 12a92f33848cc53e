"""Many pieces of NumPy work on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_one_at_a_time = threading.Lock()  # the BLAS limit is the process's own: two calls would restore each other's


def spread(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`work` of every item, in order; as many items at once as there are cores, one thread each.

    A matrix product split over threads leaves the other cores idle in all the steps between the products, and waits at
    each product for its slowest thread, which on a busy machine costs several times the work. Whole items side by side
    do neither. As many run at once as BLAS would have used threads, so OMP_NUM_THREADS and its like are kept.
    """
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import ThreadpoolController

    with _one_at_a_time:
        blas = ThreadpoolController().select(user_api="blas")
        threads = max((library["num_threads"] for library in blas.info()), default=1)
        with blas.limit(limits=1):
            if len(items) < 2 or threads < 2:
                return [work(item) for item in items]
            with ThreadPoolExecutor(threads) as pool:
                return list(pool.map(work, items))
