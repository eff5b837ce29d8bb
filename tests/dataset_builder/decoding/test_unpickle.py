"""The reader of pickles against attacks of every kind, and against streams of operations that no pickler would write."""

from __future__ import annotations

import copyreg
import os
import pickle
import pickletools
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataset_builder.decoding.pickled_values import ExifRatio, ExifTag, Name
from dataset_builder.decoding.unpickle import MAX_DEPTH, MAX_OPERATIONS, read_pickle
from dataset_builder.errors import HostileFileError, SourceError, UnreadableImageError

CODES = {opcode.name: opcode.code.encode("latin1") for opcode in pickletools.opcodes}
PLAIN = (type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset, np.generic, np.ndarray)


def write(name: str) -> bytes:
    """An operation without an argument."""
    return CODES[name]


def look_up(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return CODES["BINUNICODE"] + struct.pack("<I", len(value.encode())) + value.encode()


def data(value: bytes) -> bytes:
    return CODES["BINBYTES"] + struct.pack("<I", len(value)) + value


def number(value: int) -> bytes:
    return f"I{value}\n".encode()


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def number_type(name: str, order: str = "<") -> bytes:
    state = b"(" + number(3) + text(order) + b"NNN" + number(-1) + number(-1) + number(0) + b"t"
    return look_up("numpy", "dtype") + b"(" + text(name) + b"tR" + state + b"b"


EMPTY_ARRAY = (
    look_up("numpy.core.multiarray", "_reconstruct")
    + look_up("numpy", "ndarray")
    + numbers(0)
    + data(b"b")
    + write("TUPLE3")
    + b"R"
)


def state(shape: bytes, content: bytes, kind: bytes = number_type("u2")) -> bytes:
    return b"(" + number(1) + shape + kind + b"I00\n" + content + b"t"


def array(shape: bytes, content: bytes, kind: bytes = number_type("u2")) -> bytes:
    return EMPTY_ARRAY + state(shape, content, kind) + b"b"


TAG = look_up("exifread.classes", "IfdTag") + write("EMPTY_TUPLE") + write("NEWOBJ")
RATIO = look_up("exifread.utils", "Ratio") + write("EMPTY_TUPLE") + b"R"
DEEP = 100_000
POINTERS = (
    look_up("numpy", "ndarray") + b"(" + number(4) + text("O") + data(struct.pack("<4Q", *range(8, 40, 8))) + b"tR"
)

ATTACKS = {
    "an array of pointers": POINTERS,
    "an array of pointers, made as an object": POINTERS[:-1] + write("NEWOBJ"),
    "an array of pointers, by an old operation": b"("
    + look_up("numpy", "ndarray")
    + number(4)
    + text("O")
    + data(b"\x08" * 32)
    + b"o",
    "an array with strides": look_up("numpy", "ndarray")
    + b"("
    + numbers(4)
    + text("u1")
    + data(b"1234")
    + number(0)
    + numbers(1 << 40)
    + b"tR",
    "an array by another maker": look_up("numpy.core.numeric", "_frombuffer"),
    "an array of objects": array(numbers(1), b"]" + b"Na", number_type("O", "|")),
    "an array of records": array(numbers(1), data(b"12345678"), number_type("V8", "|")),
    "an array of text": array(numbers(1), data(b"\xff\xff\xff\xff"), number_type("U1")),
    "an array of long doubles": array(numbers(1), data(b"\xff" * 16), number_type("f16")),
    "an array of complex numbers": array(numbers(1), data(b"\xff" * 16), number_type("c16")),
    "an array of a written type": array(numbers(1), data(b"12345678"), number_type("i4,i4")),
    "a type with fields": look_up("numpy", "dtype")
    + b"("
    + text("i4")
    + b"tR("
    + number(3)
    + text("<")
    + b"N}}"
    + number(8)
    + number(8)
    + number(0)
    + b"tb",
    "an array of more than its bytes": array(numbers(1000), data(b"12")),
    "an array of fewer than its bytes": array(numbers(1), data(b"12345678")),
    "an array of a side below 0": array(numbers(-1, -2), data(b"1234")),
    "an array of a side that is no number": array(b"(I01\nt", data(b"12")),
    "an array of sides beyond memory": array(numbers(1 << 62, 1 << 62, 0), data(b"")),
    "an array of many dimensions": array(numbers(*[1] * 40), data(b"12")),
    "an array given a state twice": array(numbers(1), data(b"12")) + state(numbers(2), data(b"1234")) + b"b",
    "an array given a number for its bytes": array(numbers(1), number(1 << 40)),
    "an array that begins with a size": look_up("numpy.core.multiarray", "_reconstruct")
    + look_up("numpy", "ndarray")
    + numbers(1 << 40)
    + data(b"b")
    + write("TUPLE3")
    + b"R",
    "a number of another size": look_up("numpy.core.multiarray", "scalar")
    + number_type("f8")
    + data(b"12")
    + write("TUPLE2")
    + b"R",
    "an item of an array": array(numbers(1), data(b"12")) + number(0) + number(7) + b"s",
    "an item of a list": b"]" + number(0) + number(7) + b"s",
    "an item of a name": look_up("numpy", "ndarray") + number(0) + number(7) + b"s",
    "an appendix to a dict": b"}" + b"Na",
    "a member of a list": b"](N" + write("ADDITEMS"),
    "the state of a list": b"]}b",
    "the state of a function": look_up("_codecs", "encode") + b"}(" + text("__defaults__") + b"Nub",
    "a call of a number": number(1) + b")R",
    "a call of a type": look_up("numpy", "ndarray") + b")R",
    "a call of a result": number_type("u2") + b")R",
    "a module's own name": look_up("dataset_builder.decoding.unpickle", "read_pickle"),
    "a name that is no text": number(1) + number(2) + write("STACK_GLOBAL"),
    "a name of many lines": text("a\nb") + text("\x1b[2Jc" * 1000) + write("STACK_GLOBAL"),
    "a name by an old operation": b"(" + text("true") + b"ios\nsystem\n",
    "a persistent object": b"Pname\n",
    "a registered extension": write("EXT1") + b"\x7f" + b"(" + text("true") + b"tR",
    "a made-up size": write("BYTEARRAY8") + struct.pack("<Q", 6) + b"abcdef",
    "tuples in tuples": b")" + write("TUPLE1") * DEEP,
    "lists in lists": b"]" * DEEP + b"a" * (DEEP - 1),
    "dicts in dicts": (b"}" + b"N") * DEEP + b"N" + b"s" * DEEP,
    "values in values": (TAG + b"}" + text("values")) * (DEEP // 10) + b"N" + b"sb" * (DEEP // 10),
    "tuples in tuples as a key": b"}" + b")" + write("TUPLE1") * DEEP + b"Ns",
    "tuples in tuples as a member": write("EMPTY_SET") + b"(" + b")" + write("TUPLE1") * DEEP + write("ADDITEMS"),
    "tuples in tuples as a shape": array(b")" + write("TUPLE1") * DEEP, data(b"12")),
    "tuples in tuples as a name": (b")" + write("TUPLE1") * DEEP) * 2 + write("STACK_GLOBAL"),
    "tuples in tuples as a key of a dict that is called": look_up("collections", "OrderedDict")
    + b"("
    + b"]](" + b")" + write("TUPLE1") * DEEP + b"Nea" + b"tR",
    "a list that holds itself": b"]" + b"q\x00h\x00a",
    "a value that holds itself": TAG + b"q\x00}" + text("values") + b"h\x00sb",
    "a ratio of itself": RATIO + b"q\x00}" + text("num") + b"h\x00sb",
    "a set for every byte": write("EMPTY_SET") * (MAX_OPERATIONS + 1),
    "bytes copied again and again": text("x" * 10_000)
    + b"q\x000"
    + (look_up("_codecs", "encode") + b"h\x00" + write("TUPLE1") + b"R0") * 10
    + b"N",
}  # fmt: skip


@pytest.fixture
def extension():
    copyreg.add_extension("os", "system", 0x7F)
    yield
    copyreg.remove_extension("os", "system", 0x7F)


@pytest.mark.slow
@pytest.mark.usefixtures("extension")
@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_told_apart_from_damage(tmp_path, attack):
    path = tmp_path / "a.pkl"
    path.write_bytes(ATTACKS[attack] + b".")
    with pytest.raises(HostileFileError) as caught:
        read_pickle(path)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 400 + len(str(path))


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b".",
        b"0.",
        b"a.",
        b"(",
        b"t.",
        b"R.",
        b"b.",
        b"}Nu.",
        b"}(Nu.",
        b"h\x05.",
        b"I99999999999",
        write("BINBYTES8") + struct.pack("<Q", 1 << 62) + b"ab.",
        write("BYTEARRAY8") + struct.pack("<Q", 1 << 40) + b"ab.",
        write("LONG4") + struct.pack("<i", -1) + b".",
        b"L" + b"9" * 100_000 + b"L\n.",
    ],
)
def test_damage_is_one_error(tmp_path, damage):
    (tmp_path / "a.pkl").write_bytes(damage)
    with pytest.raises(UnreadableImageError, match="cannot be read as a pickle"):
        read_pickle(tmp_path / "a.pkl")


def test_depth_is_counted_where_honest_files_end(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(b")" + write("TUPLE1") * MAX_DEPTH + b".")
    value = read_pickle(path)
    for _ in range(MAX_DEPTH):
        (value,) = value
    assert value == ()
    path.write_bytes(b")" + write("TUPLE1") * (MAX_DEPTH + 1) + b".")
    with pytest.raises(HostileFileError, match=f"more than {MAX_DEPTH} deep"):
        read_pickle(path)


def test_what_is_shared_is_counted_once(tmp_path):
    # 2^60 paths lead to the innermost list.
    doubled = b"]" + b"".join(b"q%c0]h%ch%c" % (place, place, place) + b"\x86a" for place in range(20)) + b"."
    (tmp_path / "a.pkl").write_bytes(doubled)
    assert read_pickle(tmp_path / "a.pkl")


@settings(max_examples=100, deadline=None)
@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text()
        | st.binary(min_size=1)
        | st.sampled_from([np.float32(0.5), np.int64(-3), np.bool_(True)]),
        lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=20,
    ),
    protocol=st.integers(0, 5),
)
def test_plain_values_come_back_as_they_were(tmp_path_factory, value, protocol):
    path = tmp_path_factory.getbasetemp() / "plain.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    found = read_pickle(path)
    assert found == value
    assert type(found) is type(value)


def list_values(value: Any, seen: dict[int, Any]) -> Iterator[Any]:
    if id(value) in seen:
        return
    seen[id(value)] = value
    yield value
    parts: Any = ()
    if isinstance(value, list | tuple | set | frozenset):
        parts = value
    elif isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, ExifTag | ExifRatio):
        parts = vars(value).values()
    for part in parts:
        yield from list_values(part, seen)


def encode(opcode: pickletools.OpcodeInfo) -> st.SearchStrategy[bytes]:
    """An operation with an argument, whose length may be a lie."""
    code = CODES[opcode.name]
    if opcode.arg is None:
        return st.just(code)
    kind, size = opcode.arg.name, opcode.arg.n
    if kind.startswith(("decimalnl", "floatnl")):
        return st.one_of(
            st.sampled_from([b"00", b"01", b"nan", b"-1e400"]), st.integers().map(lambda n: str(n).encode())
        ).map(lambda digits: code + digits + (b"L" if kind.endswith("long") else b"") + b"\n")
    if kind == "stringnl_noescape_pair":
        return st.tuples(st.sampled_from(MODULES), st.sampled_from(NAMES)).map(
            lambda pair: code + f"{pair[0]}\n{pair[1]}\n".encode()
        )
    if size == pickletools.UP_TO_NEWLINE:
        return st.sampled_from(WORDS).map(lambda word: code + b"'" + word + b"'\n")
    if size > 0:
        return st.binary(min_size=size, max_size=size).map(lambda argument: code + argument)
    width = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT8U: 8}.get(size, 4)
    lies = st.one_of(st.just(0), st.just(0), st.just(0), st.sampled_from([1, 200, -1]))
    return st.tuples(st.sampled_from(WORDS), lies).map(
        lambda drawn: code + ((len(drawn[0]) + drawn[1]) % 256 ** min(width, 4)).to_bytes(width, "little") + drawn[0]
    )


MODULES = (
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "_codecs",
    "collections",
    "exifread.utils",
    "exifread.classes",
    "fractions",
    "os",
    "builtins",
)
NAMES = (
    "ndarray",
    "dtype",
    "_reconstruct",
    "scalar",
    "encode",
    "OrderedDict",
    "Ratio",
    "IfdTag",
    "Fraction",
    "system",
    "eval",
)
WORDS = (
    b"",
    b"b",
    b"u2",
    b"O",
    b"f8",
    b"latin1",
    b"<",
    b"|",
    b"values",
    b"num",
    b"1/2",
    b"\x08\0\0\0\0\0\0\0",
    b"\xff" * 32,
)
PIECES = (
    TAG,
    RATIO,
    EMPTY_ARRAY,
    POINTERS,
    number_type("u2"),
    number_type("f8", ">"),
    state(numbers(4), data(b"\x08\0\0\0\0\0\0\0")),
    array(numbers(2, 2), data(b"\x08\0\0\0\0\0\0\0")),
    numbers(2, 2),
    numbers(0),
    data(b"b"),
    look_up("numpy", "ndarray"),
    look_up("numpy.core.multiarray", "_reconstruct"),
    b"tR",
    b"b",
    b"tb",
    b")R",
)
OPERATIONS = st.one_of(
    st.sampled_from([encode(opcode) for opcode in pickletools.opcodes if opcode.name != "STOP"]).flatmap(
        lambda one: one
    ),
    st.sampled_from(PIECES),
)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(operations=st.lists(OPERATIONS, max_size=30))
@example(operations=[POINTERS])
@example(operations=[EMPTY_ARRAY, EMPTY_ARRAY, state(numbers(1), data(b"12")), b"b"])
def test_any_operations_give_plain_values_or_one_error(tmp_path_factory, operations):
    path = tmp_path_factory.getbasetemp() / "fuzzed.pkl"
    path.write_bytes(b"".join(operations) + b".")
    try:
        found = read_pickle(path)
    except SourceError as error:
        assert "\n" not in str(error)  # noqa: PT017  # either outcome is right
        return
    for value in list_values(found, {}):
        if isinstance(value, np.ndarray | np.generic):
            assert value.dtype.kind in "biuf"
            assert value.nbytes <= path.stat().st_size
            value.tobytes()
        elif type(value).__name__ == "_NumberType":
            assert value.kind.kind in "biuf"
        else:
            assert isinstance(value, (*PLAIN, ExifTag, ExifRatio, Name)), type(value)


@pytest.mark.slow
def test_nothing_of_the_fuzzed_ran(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    for attack in ATTACKS.values():
        (tmp_path / "a.pkl").write_bytes(attack + b".")
        with pytest.raises(HostileFileError):
            read_pickle(tmp_path / "a.pkl")
    assert ran == []
