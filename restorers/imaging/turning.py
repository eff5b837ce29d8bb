"""Mosaics flipped until their first pixel is red, for what was made for one colour filter array."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from restorers.burst import CFA, Burst


def find_turn(cfa: CFA) -> tuple[slice, slice]:
    """Rows and columns that bring red to the top left of mosaics of even sides; they are their own inverse."""
    row, column = divmod(cfa.channels.index(0), 2)
    return slice(None, None, -1 if row else 1), slice(None, None, -1 if column else 1)


def turn_to_rggb(burst: Burst) -> Burst:
    """Flip mosaics so that they begin with R, G."""
    assert burst.cfa is not None
    rows, columns = find_turn(burst.cfa)
    return replace(burst, frames=np.ascontiguousarray(burst.frames[:, rows, columns]), cfa=CFA.RGGB)
