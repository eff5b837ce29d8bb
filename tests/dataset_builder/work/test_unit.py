import errno
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dataset_builder.errors import LockedError
from dataset_builder.work.local import LocalWorkers
from dataset_builder.work.lock import lock_dataset
from dataset_builder.work.unit import Desk, hash_facts, read_part, remove_part

HELD = []


@dataclass(frozen=True)
class Square:
    number: int
    behaviour: str = "work"

    @property
    def key(self) -> str:
        return hash_facts([self.number])

    @property
    def subject(self) -> int:
        return self.number // 4

    @property
    def part(self) -> str:
        return f"squares/{self.number}"

    def run(self, root: Path, desk: Desk):  # the protocol's
        if self.behaviour == "raise":
            raise ValueError("two\nlines")
        if self.behaviour == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.behaviour == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.behaviour == "nan":
            return {"square": float("nan")}
        if self.behaviour == "grow":
            HELD.append(np.ones(50_000_000))
            return {"process": os.getpid()}
        return {"square": self.number**2}


@pytest.mark.slow
def test_workers_that_grow_stay(tmp_path):
    """As those do that hold models: 400 MB more from the second unit on."""
    units = [Square(number, "grow") for number in range(3)]
    assert dict(LocalWorkers(1).run(units, tmp_path)) == dict.fromkeys(units)
    assert len({read_part(tmp_path, unit)["process"] for unit in units}) == 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_are_found_again(tmp_path, jobs):
    units = [Square(number) for number in range(7)]
    outcomes = dict(LocalWorkers(jobs).run(units, tmp_path))
    assert outcomes == dict.fromkeys(units)
    assert [read_part(tmp_path, unit) for unit in units] == [{"square": number**2} for number in range(7)]
    remove_part(tmp_path, units[0])
    assert read_part(tmp_path, units[0]) is None


@dataclass(frozen=True)
class Chapter(Square):
    """Says whether its worker had to open the book."""

    def run(self, root: Path, desk: Desk):
        opened = []
        desk.take(self.subject, lambda: opened.append(True))
        return {"opened": bool(opened)}


def test_units_on_one_subject_go_to_one_worker(tmp_path):
    units = [Chapter(number) for number in range(40)]  # 10 subjects of 4
    assert not any(failure for _, failure in LocalWorkers(3).run(units, tmp_path))
    opened = sum(read_part(tmp_path, unit)["opened"] for unit in units)
    # Only where nothing else is left do workers share a subject.
    assert 10 <= opened <= 15


@pytest.mark.slow
def test_broken_units_cost_themselves_only(tmp_path):
    behaviours = {2: "raise", 5: "die", 6: "nan", 9: "die"}
    units = [Square(number, behaviours.get(number, "work")) for number in range(12)]
    outcomes = dict(LocalWorkers(2).run(units, tmp_path))
    assert set(outcomes) == set(units)
    failed = {unit.number: failure for unit, failure in outcomes.items() if failure}
    assert failed.keys() == behaviours.keys()
    assert failed[2].error_type == "ValueError"
    assert re.fullmatch(r"two lines \(at tests/dataset_builder/work/test_unit.py:\d+ in run\)", failed[2].message)
    assert (failed[5].error_type, failed[5].attempts) == ("WorkerDiedError", 2)
    assert failed[6].error_type == "ValueError"
    assert all(read_part(tmp_path, unit) for unit in units if unit.number not in behaviours)


def test_a_full_disk_stops_all(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught:
        dict(LocalWorkers(1).run([Square(1), Square(2, "full"), Square(3)], tmp_path))
    assert caught.value.errno == errno.ENOSPC
    assert read_part(tmp_path, Square(1)) == {"square": 1}


def test_damaged_and_foreign_parts_are_not_trusted(tmp_path):
    unit = Square(3)
    list(LocalWorkers(1).run([unit], tmp_path))
    path = tmp_path / ".work/squares/3.json"
    content = path.read_bytes()
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        assert read_part(tmp_path, unit) in (None, {"square": 9})
    for position in range(len(content)):
        path.write_bytes(content[:position])
        assert read_part(tmp_path, unit) is None
    path.write_bytes(content.replace(unit.key.encode(), Square(4).key.encode()))
    assert read_part(tmp_path, unit) is None


def test_the_lock_names_its_holder_and_dies_with_it(tmp_path):
    refused = pytest.raises(LockedError, match=f"process {os.getpid()} on")
    with lock_dataset(tmp_path), refused, lock_dataset(tmp_path):
        pass
    child = os.fork()
    if child == 0:
        with lock_dataset(tmp_path):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    with lock_dataset(tmp_path):
        pass


def test_a_desk_holds_the_state_of_one_subject():
    desk, made = Desk(), []

    def make(name):
        return lambda: made.append(name) or [name]

    first = desk.take("a", make("a"))
    assert desk.take("a", make("a")) is first
    assert desk.take("b", make("b")) == ["b"]
    assert desk.take("a", make("a")) == ["a"]
    assert made == ["a", "b", "a"]


def test_what_could_not_be_made_is_made_anew():
    desk = Desk()
    with pytest.raises(ZeroDivisionError):
        desk.take("a", lambda: 1 / 0)
    assert desk.take("a", lambda: 2) == 2
