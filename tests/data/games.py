"""Exact games of five restorers in `games.npz`: `python -m tests.data.games` makes it anew, which takes some minutes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.games import make_games, write_games

GAMES = Path(__file__).with_suffix(".npz")
NUM_FRAMES, SIDE, SEED = 11, 64, 3

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        write_games(GAMES, make_games(Path(scratch), num_frames=NUM_FRAMES, side=SIDE, seed=SEED))
