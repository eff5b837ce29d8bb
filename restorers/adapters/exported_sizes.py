"""Which sizes of its input a program of `torch.export` was made for: it was specialised to them, and says nothing of others."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SYMBOL = r"Symbol\('(\w+)'(?:, \w+=True)*\)"
_SIDE = re.compile(rf"{_SYMBOL}|Mul\(Integer\((\d+)\), {_SYMBOL}\)")
_SIZE_OF_INPUT = re.compile(r"L\['\w+'\]\.size\(\)\[(\d)\]")
_LONGEST_GUARD = 4000
_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"max": max, "min": min}
_ARITHMETIC = (*_OPERATORS, ast.Call, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.And, ast.Or, ast.Compare, ast.Load)


@dataclass(frozen=True)
class Side:
    """A size that is free: `factor` times a number that all sides of one symbol share, from `least` to `most`."""

    factor: int
    symbol: str
    least: int
    most: int | None


@dataclass(frozen=True)
class InputSizes:
    """Sizes of an input, fixed or free, and what else holds for them.

    Attributes:
        sides: one for each dimension.
        guards: comparisons of the sizes, in which `_2` is the size of dimension 2.
    """

    sides: tuple[int | Side, ...]
    guards: tuple[ast.expr, ...]

    @property
    def shape(self) -> list[int | None]:
        """Sizes; None where they are free."""
        return [side if isinstance(side, int) else None for side in self.sides]

    def check(self, shape: Sequence[int]) -> None:
        """Check that an input has such sizes.

        Raises:
            ValueError: if not.
        """
        if len(shape) != len(self.sides):
            raise ValueError(f"expected {len(self.sides)} dimensions, got {list(shape)}")
        numbers: dict[str, int] = {}
        for place, (size, side) in enumerate(zip(shape, self.sides, strict=True)):
            if isinstance(side, int):
                fits = size == side
            else:
                number = size // side.factor
                fits = not size % side.factor and side.least <= number and (side.most is None or number <= side.most)
                fits = fits and numbers.setdefault(side.symbol, number) == number
            if not fits:
                raise ValueError(f"dimension {place}: the program was not exported for {size} in {list(shape)}")
        for guard in self.guards:
            if not _holds(guard, shape):
                raise ValueError(f"the program was exported for sizes with {ast.unparse(guard)}, got {list(shape)}")


def read_sizes(sizes: Sequence[Mapping[str, Any]], program: Mapping[str, Any]) -> InputSizes:
    """Read the sizes of the only input of a program, from its JSON.

    Raises:
        ValueError: if they are no numbers, symbols or multiples of symbols, or a guard is no arithmetic on them.
    """
    ranges = program["range_constraints"]
    sides = tuple(_read_side(size, ranges) for size in sizes)
    return InputSizes(sides, tuple(_read_guard(guard, len(sides)) for guard in program["guards_code"]))


def _read_side(size: Mapping[str, Any], ranges: Mapping[str, Any]) -> int | Side:
    if "as_int" in size:
        return int(size["as_int"])
    text = size["as_expr"]["expr_str"]
    if (match := _SIDE.fullmatch(text)) is None:
        raise ValueError(f"a size of its input is {text[:80]!r}; expected a number, or a multiple of a symbol")
    symbol = match[1] or match[3]
    limits = ranges.get(symbol, {})
    return Side(int(match[2] or 1), symbol, limits.get("min_val") or 0, limits.get("max_val"))


def _read_guard(text: str, dimensions: int) -> ast.expr:
    if len(text) > _LONGEST_GUARD:
        raise ValueError(f"a check of its sizes is longer than {_LONGEST_GUARD} characters")
    guard = ast.parse(_SIZE_OF_INPUT.sub(r"_\1", text), mode="eval").body
    names = {f"_{place}" for place in range(dimensions)}
    for part in ast.walk(guard):
        is_number = isinstance(part, ast.Constant) and isinstance(part.value, int)
        is_size = isinstance(part, ast.Name) and part.id in (*names, *_FUNCTIONS)
        if not (is_number or is_size or isinstance(part, _ARITHMETIC)):
            raise ValueError(f"a check of its sizes is more than arithmetic: {text[:80]!r}")
    return guard


def _holds(guard: ast.expr, shape: Sequence[int]) -> bool:
    try:
        return bool(_evaluate(guard, shape))
    except ZeroDivisionError:
        return False


def _evaluate(part: ast.expr, shape: Sequence[int]) -> Any:
    """The value of a guard for a shape; nothing but arithmetic on numbers happens."""
    found: Any
    match part:
        case ast.Constant(value=found):
            pass
        case ast.Name(id=name):
            found = shape[int(name[1:])]
        case ast.UnaryOp(op=sign, operand=operand):
            found = _OPERATORS[type(sign)](_evaluate(operand, shape))
        case ast.BinOp(left=left, op=sign, right=right):
            found = _OPERATORS[type(sign)](_evaluate(left, shape), _evaluate(right, shape))
        case ast.Call(func=ast.Name(id=name), args=values, keywords=[]):
            found = _FUNCTIONS[name](*(_evaluate(value, shape) for value in values))
        case ast.BoolOp(op=joint, values=values):
            parts = (_evaluate(value, shape) for value in values)
            found = all(parts) if isinstance(joint, ast.And) else any(parts)
        case ast.Compare(left=left, ops=signs, comparators=others):
            numbers = [_evaluate(each, shape) for each in (left, *others)]
            triples = zip(signs, numbers, numbers[1:], strict=False)
            found = all(_OPERATORS[type(sign)](one, other) for sign, one, other in triples)
        case _:
            raise ValueError(f"{ast.unparse(part)[:80]} is no arithmetic")
    return found
