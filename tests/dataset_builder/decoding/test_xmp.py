"""Packets of XMP: what they state, where it stands, and what is refused."""

from __future__ import annotations

import contextlib
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_builder.decoding.xmp import DIGIKAM, MOST_BYTES, RDF, XMP, XmpError, parse_packet

LIGHTROOM = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:xmp="{XMP}"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   xmp:Rating="4"
   xmp:Label='R&amp;"d > x'
   crs:Version="16.5">
   <crs:ToneCurve><rdf:Seq><rdf:li>0, 0</rdf:li></rdf:Seq></crs:ToneCurve>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""
DIGIKAM_ELEMENTS = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="{RDF}" xmlns="{XMP}">
<r:Description r:about="uuid:1"><Rating>3</Rating><!-- xmp:Rating="1" --><d:PickLabel xmlns:d="{DIGIKAM}">1</d:PickLabel><Label/>
</r:Description></r:RDF></x:xmpmeta><?xpacket end="w"?>"""


def test_attributes_are_read_where_they_stand() -> None:
    data = LIGHTROOM.encode()
    packet = parse_packet(data)
    rating, label = packet.properties[XMP, "Rating"], packet.properties[XMP, "Label"]
    assert (rating.value, rating.form) == ("4", "attribute")
    assert label.value == 'R&"d > x'
    assert rating.inner is not None
    assert data[slice(*rating.inner)] == b"4"
    assert data[slice(*rating.outer)] == b'xmp:Rating="4"'
    assert data[packet.end :].startswith(b"</rdf:RDF>")
    assert ("http://ns.adobe.com/camera-raw-settings/1.0/", "ToneCurve") not in packet.properties


def test_elements_are_read_where_they_stand() -> None:
    data = DIGIKAM_ELEMENTS.encode()
    packet = parse_packet(data)
    assert {name: found.value for name, found in packet.properties.items()} == {
        (XMP, "Rating"): "3",
        (DIGIKAM, "PickLabel"): "1",
        (XMP, "Label"): "",
    }
    pick = packet.properties[DIGIKAM, "PickLabel"]
    assert data[slice(*pick.outer)] == f'<d:PickLabel xmlns:d="{DIGIKAM}">1</d:PickLabel>'.encode()
    assert packet.properties[XMP, "Label"].inner is None
    assert (packet.about, packet.rdf) == ("uuid:1", "r:")


def test_utf_16_is_read_but_has_no_places() -> None:
    packet = parse_packet(("\ufeff" + DIGIKAM_ELEMENTS).encode("utf-16-le"))
    assert packet.properties[XMP, "Rating"].value == "3"
    assert not packet.encoded_in_bytes


BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha"}">' for n in range(9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no XML"),
        ("<a>", "no XML"),
        ("<a/>", "with rdf:RDF"),
        (f"<!DOCTYPE x [{BOMB}]><x>&a8;</x>", "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "document type"),
        ("<a>" * 65 + "</a>" * 65, "at most 64 elements"),
        ("<a>" + "x" * MOST_BYTES + "</a>", "at most 8,000,000 bytes"),
        ("\x00" * 40, "no XML"),
    ],
    ids=["nothing", "cut", "other", "laughs", "external", "deep", "large", "zeros"],
)
def test_what_is_no_xmp_or_more_than_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(XmpError, match=message):
        parse_packet(text.encode())


@given(st.binary(max_size=200), st.integers(0, len(LIGHTROOM) - 1))
def test_damage_is_an_error_of_its_kind(noise: bytes, place: int) -> None:
    data = LIGHTROOM.encode()
    with contextlib.suppress(XmpError):
        parse_packet(data[:place] + noise + data[place + len(noise) :])


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=20
)


@given(TEXTS, TEXTS, st.booleans())
def test_values_are_those_of_another_reader(rating: str, label: str, elements: bool) -> None:
    root = ET.Element(f"{{{RDF}}}RDF")
    description = ET.SubElement(root, f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    for name, value in (("Rating", rating), ("Label", label)):
        if elements:
            ET.SubElement(description, f"{{{XMP}}}{name}").text = value
        else:
            description.set(f"{{{XMP}}}{name}", value)
    data = ET.tostring(root, encoding="utf-8")
    packet = parse_packet(data)
    for name in ("Rating", "Label"):
        found = packet.properties[XMP, name]
        again = ET.fromstring(data)[0]
        expected = (again[("Rating", "Label").index(name)].text or "") if elements else again.get(f"{{{XMP}}}{name}")
        assert found.value == expected
        if found.inner is not None:
            raw = re.escape(data[slice(*found.inner)])
            assert re.search(raw, data)
