"""Restorers that do what restorers must not do, one way each; the tests label with them."""

from __future__ import annotations

import ctypes

import numpy as np

from restorers import Domain, RestorerInfo


class _Restorer:
    info = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)


class Sound(_Restorer):
    def restore(self, burst):
        return burst.reference


class Raising(_Restorer):
    def restore(self, burst):
        raise RuntimeError("this model\nis broken")


class NotANumber(_Restorer):
    def restore(self, burst):
        return np.full(burst.reference.shape, np.nan, np.float32)


class WrongShape(_Restorer):
    def restore(self, burst):
        return burst.reference[:-2]


class NoArray(_Restorer):
    def restore(self, burst):
        return None


class Greedy(_Restorer):
    def restore(self, burst):
        hoard = [np.zeros(2**28, np.uint8) for _ in range(64)]
        return burst.reference * len(hoard)


class Crashing(_Restorer):
    def restore(self, burst):
        return ctypes.string_at(0)


class Stuck(_Restorer):
    """Hangs in native code without letting go of the interpreter."""

    def restore(self, burst):
        ctypes.PyDLL(None).sleep(600)
