"""The runner of the benchmarks; what they measure is no matter of tests."""

from __future__ import annotations

from pathlib import Path

import benchmarks
from benchmarks.__main__ import MODULES, run_all


def test_every_benchmark_is_listed():
    folder = Path(benchmarks.__file__).parent
    # What the benchmarks share has nothing to run.
    runnable = [
        path for path in folder.glob("[!_]*.py") if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]
    assert set(MODULES) == {f"benchmarks.{path.stem}" for path in runnable}


def test_a_benchmark_that_fails_does_not_stop_the_others(tmp_path, monkeypatch, capfd):
    for name, code in (
        ("fine", "print('fine ran')"),
        ("bad", "raise ValueError('broken')"),
        ("last", "print('last ran')"),
    ):
        (tmp_path / f"{name}_benchmark.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run_all(["fine_benchmark"]) == 0
    assert run_all(["fine_benchmark", "bad_benchmark", "absent_benchmark", "last_benchmark"]) == 1
    out, error = capfd.readouterr()
    assert out.count("== fine_benchmark ==\nfine ran") == 2
    assert "== last_benchmark ==\nlast ran" in out
    assert "ValueError: broken" in error
    assert "failed: bad_benchmark, absent_benchmark" in error
