import subprocess
import sys

import cv2
import pytest

from posetrack.runtime import keep_freed_memory, tune_process

# Asks for 64 MiB and frees it, ten times over, and counts the fresh pages that the kernel had to give.
COUNT_PAGES = """
import resource, sys
import numpy as np
from posetrack.runtime import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(1 << 23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(1 << 23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_pages(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_PAGES, how], capture_output=True, text=True, check=True, timeout=120
    )
    return int(done.stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="the C library is not glibc")
def test_freed_memory_is_kept_for_the_next():
    assert count_pages("keep") < 0.2 * count_pages("leave")


def test_opencv_works_on_one_thread():
    before = cv2.getNumThreads()
    try:
        tune_process()
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)
