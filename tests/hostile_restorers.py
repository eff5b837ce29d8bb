"""Restorers that do what restorers must not do, one way each; the tests label with them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

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


class Exiting(_Restorer):
    def restore(self, burst):
        sys.exit(0)


class Interrupting(_Restorer):
    def restore(self, burst):
        raise KeyboardInterrupt


class Closing(_Restorer):
    def restore(self, burst):
        raise GeneratorExit


class OwnKindOfEnd(BaseException):
    pass


class Ending(_Restorer):
    def restore(self, burst):
        raise OwnKindOfEnd("enough")


class Unspeakable(_Restorer):
    class Error(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def restore(self, burst):
        raise self.Error


class Garbled(_Restorer):
    def restore(self, burst):
        raise ValueError("file \udcff is odd")


class Verbose(_Restorer):
    def restore(self, burst):
        raise ValueError("x" * 50_000_000)


class Stopping(_Restorer):
    """Stops its own process, which then heeds nothing but SIGKILL."""

    def restore(self, burst):
        os.kill(os.getpid(), signal.SIGSTOP)
        return burst.reference


class Deaf(_Restorer):
    """Switches off whatever could wake it, and hangs."""

    def restore(self, burst):
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        ctypes.CDLL(None).sleep(600)


class Wandering(_Restorer):
    def restore(self, burst):
        os.chdir("/")
        return burst.reference


class Leaking(_Restorer):
    """Opens files until the process may open no more."""

    kept: list[int] = []  # noqa: RUF012  # leaking is the point

    def restore(self, burst):
        try:
            while True:
                self.kept.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            return burst.reference


class Forking(_Restorer):
    """Its child comes back from it, too; once, for each would fork again."""

    forked = False

    def restore(self, burst):
        if not self.forked:
            Forking.forked = True
            os.fork()
        return burst.reference


class Deafening(_Restorer):
    """Takes the signals of its process away from everybody."""

    def restore(self, burst):
        signal.signal(signal.SIGINT, lambda *_: None)
        sys.path.clear()
        return burst.reference
