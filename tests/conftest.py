"""How every test runs: files in memory where there is room, no deadlines, the same examples each time where CI says."""

from __future__ import annotations

import os
import shutil

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Thousands of small knowledge bases come and go, and a disk is waited for at each commit and each removal of one.
MEMORY, ROOM = "/dev/shm", 2**30  # bytes, a few times what all tests need; a container may have 64 MB there
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)
