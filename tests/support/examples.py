"""How many examples a property test tries: a tenth in `make test`, all in `make test-slow`.

LJM_EXAMPLES is how many of a hundred `make test-slow` tries instead.
"""

from __future__ import annotations

import os

from hypothesis import settings

FEW, ALL = 10, 100
"""Of properties that say nothing of their own; hypothesis itself has 100."""
THOROUGH = int(os.environ.get("LJM_EXAMPLES", ALL))


def examples(thorough: int) -> int:
    """Returns how many examples to try where `thorough` are enough for `make test-slow`."""
    return min(thorough, max(5, thorough * settings.default.max_examples // ALL))
