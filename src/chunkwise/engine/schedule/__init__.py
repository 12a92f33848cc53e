"""What a step of the engine does: decisions only, the same for the real engine and the simulated one.

request.py   the words: request, memory, work, step     scheduler.py  the axes put together
admit.py     who is taken in first                      compose.py    what a step is made of
split.py     how a prompt is cut                        reserve.py    what memory is set aside
preempt.py   what becomes of whoever gives way          recipes.py    schedulers as papers have them
"""

from chunkwise.engine.schedule.request import Memory, Request, Seat, Step, Work
from chunkwise.engine.schedule.scheduler import Scheduler

__all__ = ["Memory", "Request", "Scheduler", "Seat", "Step", "Work"]
