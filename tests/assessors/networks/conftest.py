"""Networks of tests are so small that sharing out their work takes longer than doing it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assessors.networks.threads import one_thread


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield
