"""When garbage is collected: not amid a reconcile, whose listing is as large as the library and no garbage.

Python's collector looks at everything that was allocated since it last looked. Of a listing of 100,000 files
that takes 40 ms, in the middle of some turn of the loop; freed as it is a little later by its reference
counts alone, the collector never need have seen it.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def put_off() -> Iterator[None]:
    """No collection inside; two at once may let collections begin again when the first of them ends."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
