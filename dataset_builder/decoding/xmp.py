"""XMP packets of strangers (ISO 16684-1): simple properties, and where in the packet they stand, by one pass over its bytes.

Expat reads the XML. Document types, and so entities, are refused before anything of them is expanded; size and depth are limited.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from xml.parsers import expat

from dataset_builder.errors import SourceError

MOST_BYTES = 8_000_000
"""Of a packet; those of programs that keep every stroke of a brush have some hundred thousand."""
DEEPEST = 64
"""Elements within elements."""
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
DYNAMIC_MEDIA = "http://ns.adobe.com/xmp/1.0/DynamicMedia/"
DIGIKAM = "http://www.digikam.org/ns/1.0/"
# Of XML that is well formed: each alternative begins with a byte of its own, and nothing is tried twice.
_ATTRIBUTE = re.compile(rb"""([^\s=/<>"']++)\s*+=\s*+("[^"]*+"|'[^']*+')""")
_TAG = re.compile(rb"""(?:[^"'>]++|"[^"]*+"|'[^']*+')*+>""")
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00")
Name = tuple[str, str]
"""Namespace and local name."""


class XmpError(SourceError):
    """A packet is no XMP, or does more than state properties."""


@dataclass(frozen=True)
class Property:
    """A property of one value.

    Attributes:
        value: its text.
        written: its name as it is written there, with its prefix.
        form: whether it is an attribute, or an element.
        inner: first byte of the value in the packet, without quotes and tags, and the one behind its last; None for an empty element.
        outer: the same for all of it.
    """

    value: str
    written: str
    form: Literal["attribute", "element"]
    inner: tuple[int, int] | None
    outer: tuple[int, int]


@dataclass(frozen=True)
class Packet:
    """What a packet states.

    Attributes:
        properties: those of one value, by their names; of several by one name the first.
        end: where the end tag of `rdf:RDF` begins, in bytes.
        rdf: prefix of the namespace of RDF there, with its colon.
        about: what the first description is about.
        encoded_in_bytes: whether places in bytes are places in the file; not so in UTF-16.
    """

    properties: Mapping[Name, Property]
    end: int
    rdf: str
    about: str
    encoded_in_bytes: bool


def parse_packet(data: bytes) -> Packet:
    """Read a packet.

    Raises:
        XmpError: if it is too large, too deep, no XML, has a document type, or holds no RDF.
    """
    if len(data) > MOST_BYTES:
        raise XmpError(f"expected XMP of at most {MOST_BYTES:,} bytes, got {len(data):,}")
    reader = _Reader(data)
    try:
        reader.read()
    except expat.ExpatError as error:
        raise XmpError(f"expected XMP, got no XML ({error})") from error
    if reader.end is None:
        raise XmpError("expected XMP with rdf:RDF, got other XML")
    narrow = not data.startswith(_WIDE)
    return Packet(reader.properties, reader.end, reader.prefix, reader.about or "", narrow)


@dataclass
class _Element:
    """An element that is open."""

    name: Name
    written: str
    spaces: Mapping[str, str]
    start: int
    content: int
    empty: bool
    text: list[str]
    simple: bool = True


class _Reader:
    """Expat's handlers, and what they found."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._open: list[_Element] = []
        self.properties: dict[Name, Property] = {}
        self.end: int | None = None
        self.prefix = ""
        self.about: str | None = None
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = _refuse
        self._parser.EntityDeclHandler = _refuse
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._finish
        self._parser.CharacterDataHandler = self._take_text

    def read(self) -> None:
        self._parser.Parse(self._data, True)

    def _begin(self, written: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= DEEPEST:
            raise XmpError(f"expected at most {DEEPEST} elements within each other")
        outer = self._open[-1].spaces if self._open else {"xml": "http://www.w3.org/XML/1998/namespace"}
        declared = {
            key.partition(":")[2]: value for key, value in attributes.items() if key == "xmlns" or key[:6] == "xmlns:"
        }
        spaces = {**outer, **declared} if declared else outer
        start = self._parser.CurrentByteIndex
        found = _TAG.match(self._data, start)
        content = found.end() if found else len(self._data)
        if self._open:
            self._open[-1].simple = False
        name = _resolve(written, spaces)
        empty = self._data[content - 2 : content] == b"/>"
        self._open.append(_Element(name, written, spaces, start, content, empty, []))
        if name == (RDF, "Description") and self._depth_is(RDF, "RDF"):
            self._describe(attributes, start, content, spaces)

    def _describe(self, attributes: dict[str, str], start: int, end: int, spaces: Mapping[str, str]) -> None:
        """The properties that a description has as attributes."""
        places = {
            found[1].decode("utf-8", "replace"): ((found.start(2) + 1, found.end(2) - 1), found.span())
            for found in _ATTRIBUTE.finditer(self._data, start, end)
        }
        for written, value in attributes.items():
            name = _resolve(written, spaces)
            if name == (RDF, "about"):
                self.about = value if self.about is None else self.about
            elif ":" in written and name[0] not in ("", RDF) and written[:6] != "xmlns:":
                inner, outer = places.get(written, ((0, 0), (0, 0)))  # of UTF-16, which nobody edits
                self.properties.setdefault(name, Property(value, written, "attribute", inner, outer))

    def _finish(self, _written: str) -> None:
        element = self._open.pop()
        place = self._parser.CurrentByteIndex
        if element.name == (RDF, "RDF") and not element.empty and self.end is None:
            self.end, self.prefix = place, element.written.removesuffix("RDF")
        if not (element.simple and self._is_property()):
            return
        inner = None if element.empty else (element.content, place)
        end = element.content if element.empty else self._data.find(b">", place) + 1
        found = Property("".join(element.text), element.written, "element", inner, (element.start, end))
        self.properties.setdefault(element.name, found)

    def _take_text(self, text: str) -> None:
        if self._is_property(inside=True):
            self._open[-1].text.append(text)

    def _is_property(self, *, inside: bool = False) -> bool:
        """Whether what was just closed, or is open, stands directly in a description."""
        place = -2 if inside else -1
        if len(self._open) < -place + 1:
            return False
        names = [element.name for element in self._open]
        return names[place] == (RDF, "Description") and names[place - 1] == (RDF, "RDF")

    def _depth_is(self, space: str, local: str) -> bool:
        return len(self._open) > 1 and self._open[-2].name == (space, local)


def _resolve(written: str, spaces: Mapping[str, str]) -> Name:
    prefix, colon, local = written.rpartition(":")
    return (spaces.get(prefix, ""), local) if colon else (spaces.get("", ""), written)


def _refuse(*_: object) -> None:
    raise XmpError("expected XMP without a document type, got one; entities may unpack to anything")
