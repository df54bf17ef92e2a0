"""Memory that is used again: the C library keeps what a batch frees for the next batch."""

import ctypes
import os
import sys

OPTIONS = {  # <malloc.h> of the GNU C library: variable of the environment -> number, value
    "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1),  # bytes; mallopt takes an int
    "MALLOC_MMAP_MAX_": (-4, 0),
}


def keep_freed() -> bool:
    """Make this process and its children keep freed memory. True where the C library obeys.

    The GNU C library gives large blocks back to the kernel, which clears every page before it
    hands it out again. A batch of images with attention frees and asks for hundreds of megabytes:
    a training update on MNIST then takes half as long again (benchmarks/freed_memory.py).
    The most memory that a process holds stays the same; it only lets go of it later.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    obeyed = []
    for name, (number, value) in OPTIONS.items():
        if name not in os.environ:  # what the user chose stays
            os.environ[name] = str(value)  # for children, which read it at their start
            obeyed.append(mallopt(number, value))
    return all(obeyed)
