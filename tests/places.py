"""Where things are: the repository, and inputs that some machines have."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
"""Real photographs and bursts; tests that need them are skipped where they are not."""
