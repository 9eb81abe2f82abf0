"""The garbage collector, held off while many records are made.

A plan of a large model makes hundreds of thousands of small objects that all stay alive. Each full
collection in between looks at all of them for nothing, which takes seconds.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def held_off() -> Iterator[None]:
    """No collection inside; afterwards as it was before."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
