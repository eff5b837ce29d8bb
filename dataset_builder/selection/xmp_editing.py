"""XMP packets with some properties set: all else stays byte for byte as whoever wrote it left it."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from dataset_builder.decoding.xmp import (
    DIGIKAM,
    DYNAMIC_MEDIA,
    RDF,
    XMP,
    Name,
    Packet,
    Property,
    XmpError,
    parse_packet,
)

TOOLKIT = "urn:buiqa-toolkit:1.0:"
"""Namespace of what the toolkit itself keeps in sidecars."""
_PREFIXES = {XMP: "xmp", DYNAMIC_MEDIA: "xmpDM", DIGIKAM: "digiKam", TOOLKIT: "buiqa"}
_NEW = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{RDF}">
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
""".encode()


def make_packet(values: Mapping[Name, str]) -> bytes:
    """A packet that states some properties."""
    return edit_packet(_NEW, parse_packet(_NEW), values)


def edit_packet(data: bytes, packet: Packet, values: Mapping[Name, str | None]) -> bytes:
    """Set some properties of one value, or remove them.

    Those that are there are changed where they stand; others come in a description of their own, about the same resource.

    Args:
        data: the packet.
        packet: the same, read.
        values: text by name; None removes the property, if it is there.

    Raises:
        XmpError: if the packet is in UTF-16.
    """
    if not packet.encoded_in_bytes:
        raise XmpError("expected XMP in UTF-8, got UTF-16; save it anew with the program that wrote it")
    there = {name: found for name in values if (found := packet.properties.get(name)) is not None}
    edits = [_change(found, values[name]) for name, found in there.items()]
    if added := {name: value for name, value in values.items() if value is not None and name not in there}:
        edits.append((packet.end, packet.end, _describe(packet, added)))
    for start, end, text in sorted(edits, reverse=True):
        data = data[:start] + text + data[end:]
    return data


def _change(found: Property, value: str | None) -> tuple[int, int, bytes]:
    """Bytes to replace, and with what."""
    if value is None:
        return *found.outer, b""
    text = escape(value, {'"': "&quot;", "'": "&apos;"}).encode()
    if found.inner is not None:
        return *found.inner, text
    name = found.written.encode()
    return *found.outer, b"<" + name + b">" + text + b"</" + name + b">"


def _describe(packet: Packet, values: Mapping[Name, str]) -> bytes:
    rdf = packet.rdf
    spaces = {space: _PREFIXES[space] for space, _ in values}
    attributes = [
        f"{rdf}about={quoteattr(packet.about)}",
        *(f'xmlns:{prefix}="{space}"' for space, prefix in spaces.items()),
        *(f"{spaces[space]}:{local}={quoteattr(value)}" for (space, local), value in values.items()),
    ]
    return f" <{rdf}Description {' '.join(attributes)}/>\n ".encode()
