"""Pickles that hold values of exifread's types, for exifread itself is not needed to read them.

The classes below bear the names and the state of exifread 2.1 (`utils.Ratio` with `num` and `den`) and 3 (a `fractions.Fraction`).
"""

import pickle
import sys
import types
from fractions import Fraction


def dump(content, path, *, version=2):
    """Pickle as a process that has exifread would; `Tag` and `Ratio` objects become its classes."""
    classes, utils = types.ModuleType("exifread.classes"), types.ModuleType("exifread.utils")
    classes.IfdTag, utils.Ratio = Tag, Ratio2 if version == 2 else Ratio3
    for module, kind, name in ((classes, Tag, "IfdTag"), (utils, utils.Ratio, "Ratio")):
        kind.__module__, kind.__qualname__ = module.__name__, name
    added = {"exifread": types.ModuleType("exifread"), "exifread.classes": classes, "exifread.utils": utils}
    sys.modules.update(added)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(content, protocol=4 if version == 3 else 2))
    finally:
        for name in added:
            del sys.modules[name]
    return path


class Tag:
    def __init__(self, values):
        self.printable, self.tag, self.field_type = str(values), 0, 5
        self.field_offset, self.field_length, self.values = 0, 0, values


class Ratio2:
    def __init__(self, num, den):
        self.num, self.den = num, den


class Ratio3(Fraction):
    pass
