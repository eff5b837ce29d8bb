"""Whether a JPEG (ITU-T T.81) holds what its headers promise, told from its markers and tables before anything is decoded.

Decoders fill what is missing with grey and go on after what makes no sense. Markers that cannot stand where they do, restart markers out of
turn, stretches of zeros that no picture has, and passes that a progressive file lacks give damage away at the cost of a look at the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dataset_builder.errors import UnreadableImageError
from manifests.images.headers import MOST_SCANS, count_scans

_EOI, _SOS, _DHT, _DRI = 0xD9, 0xDA, 0xC4, 0xDD
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_ARITHMETIC = (0xC9, 0xCA)
_FRAMES = (*_SEQUENTIAL, _PROGRESSIVE, *_ARITHMETIC)
_BETWEEN_SCANS = (_DHT, _SOS, 0xDB, _DRI, _EOI, 0xFE, *range(0xE0, 0xF0))
_ZEROS = bytes(64)
"""Zeros in a row that no picture has, unless its tables give flat blocks no other bits."""


@dataclass(frozen=True)
class Scan:
    """One scan.

    Attributes:
        start: place of its first byte of entropy-coded data.
        end: place behind its last.
        components: numbers of its components.
        band: first and last coefficient.
        approximation: bits that were there before, and that are left out still.
        flat: whether zero bits alone mean flat blocks by its tables.
    """

    start: int
    end: int
    components: tuple[int, ...]
    band: tuple[int, int]
    approximation: tuple[int, int]
    flat: bool


@dataclass
class JpegScans:
    """Frame and scans of a JPEG.

    Attributes:
        markers: places and second bytes of all that could be markers.
        height: rows.
        width: columns.
        kind: marker of the frame.
        sampling: factors across and down by component.
        tables: by class and number of a Huffman table that is in force, the symbol whose code is all zeros.
        restart: units between restart markers; 0 for none.
        scans: the scans in their order.
    """

    markers: tuple[NDArray[np.int64], NDArray[np.uint8]]
    height: int = 0
    width: int = 0
    kind: int = 0
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)
    tables: dict[int, int] = field(default_factory=dict)
    restart: int = 0
    scans: list[Scan] = field(default_factory=list)

    @property
    def one_pass(self) -> bool:
        """Whether rows can be decoded one after the other: one sequential Huffman scan holds all."""
        return self.kind in _SEQUENTIAL and len(self.scans) == 1

    def count_units(self, components: Sequence[int]) -> int:
        """Minimum coded units of a scan."""
        across, down = (max(factors) for factors in zip(*self.sampling.values(), strict=True))
        right, below = (1, 1) if len(components) > 1 else self.sampling.get(components[0], (1, 1))
        columns: int = -(-self.width * right // (8 * across))
        rows: int = -(-self.height * below // (8 * down))
        return columns * rows


def read_scans(data: bytes) -> JpegScans:
    """Walk through a JPEG from marker to marker.

    Raises:
        UnreadableImageError: if it is damaged or cut off.
    """
    found = JpegScans(markers=_find_markers(data))
    place = _skip_fill(data, 2, found)
    while (marker := data[place + 1]) != _EOI:
        size = int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + size]
        place += 2 + size
        if marker == _DHT:
            found.tables.update(_read_tables(body))
        elif marker == _DRI:
            found.restart = int.from_bytes(body[:2], "big")
        elif marker in _FRAMES:
            _read_frame(found, marker, body)
        elif marker == _SOS:
            place = _read_scan(data, place, found, body)
        place = _skip_fill(data, place, found)
    _require_all_passes(found)
    return found


def _skip_fill(data: bytes, place: int, found: JpegScans) -> int:
    """Place of the marker that must stand here, but for bytes of fill before it."""
    places, _ = found.markers
    index = int(np.searchsorted(places, place))
    marker = int(places[index]) if index < len(places) else len(data)
    if marker == len(data) or data[place:marker].strip(b"\xff"):
        raise UnreadableImageError("is cut off or damaged between its parts; copy it again or remove it")
    return marker


def _read_frame(found: JpegScans, marker: int, body: bytes) -> None:
    found.kind = marker
    found.height, found.width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    found.sampling = {
        body[at]: (max(body[at + 1] >> 4, 1), max(body[at + 1] & 15, 1)) for at in range(6, len(body) - 2, 3)
    }


def _read_tables(body: bytes) -> Mapping[int, int]:
    """By class and number of a Huffman table: the symbol whose code is all zeros."""
    first: dict[int, int] = {}
    place = 0
    while place + 17 <= len(body):
        count = sum(body[place + 1 : place + 17])
        if count and place + 17 < len(body):
            first[body[place]] = body[place + 17]
        place += 17 + count
    return first


def _read_scan(data: bytes, start: int, found: JpegScans, body: bytes) -> int:
    """Note a scan, and return the place of the marker behind it."""
    count = body[0] if body else 0
    if not found.sampling or len(body) != 4 + 2 * count or not count:
        raise UnreadableImageError("has a damaged scan header; copy it again or remove it")
    components = tuple(body[1 : 1 + 2 * count : 2])
    chosen = body[2 : 2 + 2 * count : 2]
    # Zero bits are a run of flat blocks where both tables give them the symbol of nothing.
    flat = all(found.tables.get(number >> 4) == 0 and found.tables.get(16 | (number & 15)) == 0 for number in chosen)
    first, last, bits = body[-3:]
    end, markers = _find_end(data, start, found, only_eoi=found.kind in _SEQUENTIAL and count == len(found.sampling))
    scan = Scan(start, end, components, (first, last), (bits >> 4, bits & 15), flat)
    found.scans.append(scan)
    if len(found.scans) > MOST_SCANS:
        raise UnreadableImageError(
            f"expected a JPEG of at most {MOST_SCANS} scans, got {count_scans(data)}; save it anew"
        )
    _require_restarts(markers, found.restart, found.count_units(components))
    _require_no_hole(data, found.kind, scan)
    return end


def _find_markers(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Places of all that could be markers in entropy-coded data, and what follows their first byte."""
    values = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(values[:-1] == 0xFF)
    following = values[places + 1]
    real = (following != 0) & (following != 0xFF)
    return places[real], following[real]


def _find_end(data: bytes, start: int, found: JpegScans, *, only_eoi: bool) -> tuple[int, bytes]:
    """Place of the first marker that ends a scan, and the restart markers before it."""
    places, markers = found.markers
    first = int(np.searchsorted(places, start))
    ends = np.flatnonzero((markers[first:] < 0xD0) | (markers[first:] > 0xD7))
    if not len(ends):
        raise UnreadableImageError("is cut off; copy it again or remove it")
    last = first + int(ends[0])
    marker, end = int(markers[last]), int(places[last])
    if marker != _EOI and (only_eoi or marker not in _BETWEEN_SCANS):
        raise UnreadableImageError(
            f"is damaged: marker {marker:02x} stands at byte {end:,} amid the picture; copy it again or remove it"
        )
    while end > start and data[end - 1] == 0xFF:
        end -= 1  # bytes of fill before a marker
    return end, markers[first:last].tobytes()


def _require_restarts(markers: bytes, interval: int, units: int) -> None:
    expected = (units - 1) // interval if interval else 0
    if len(markers) != expected or markers != (bytes(range(0xD0, 0xD8)) * (expected // 8 + 1))[:expected]:
        raise UnreadableImageError(
            f"is damaged: its restart markers are not the {expected} expected in their turn; copy it again or remove it"
        )


def _require_no_hole(data: bytes, kind: int, scan: Scan) -> None:
    if kind in _ARITHMETIC or (kind == _PROGRESSIVE and scan.band[0] == 0) or (kind != _PROGRESSIVE and scan.flat):
        return
    hole = data.find(_ZEROS, scan.start, scan.end)
    # The encoder may pad its last byte, and some pad more.
    if hole >= 0 and data[hole : scan.end].strip(b"\0"):
        raise UnreadableImageError(
            f"is damaged: zeros from byte {hole:,} on stand for no picture; copy it again or remove it"
        )


def _require_all_passes(found: JpegScans) -> None:
    """Every coefficient of every component must have come down to its last bit."""
    if not found.scans:
        raise UnreadableImageError("holds no picture; copy it again or remove it")
    left = {component: np.full(64, 99) for component in found.sampling}
    for scan in found.scans:
        for component in scan.components:
            if component in left:
                band = slice(scan.band[0], scan.band[1] + 1) if found.kind in (_PROGRESSIVE, 0xCA) else slice(None)
                left[component][band] = scan.approximation[1] if found.kind in (_PROGRESSIVE, 0xCA) else 0
    if any(bits.any() for bits in left.values()):
        raise UnreadableImageError("is cut off: the passes that refine it are missing; copy it again or remove it")
