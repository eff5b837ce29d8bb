"""What ISO a noise level stands for.

There is no such number without a sensor. The one meant here is the public baseline of HDR+ (Monod, Delon & Veit, IPOL 2021), a phone's: at
ISO 100 the noise variance is 3.24e-4·signal + 4.3e-6, 1 at white; a grows in proportion to ISO, b to its square. ISO 100 so means a full
well of 3,086 electrons.
"""

from __future__ import annotations

BASELINE_SHOT_NOISE = 3.24e-4
BASELINE_READ_NOISE = 4.3e-6


def equivalent_iso(shot_noise: float) -> float:
    """ISO at which that sensor has this shot noise, a of the variance a·signal + b."""
    return 100 * shot_noise / BASELINE_SHOT_NOISE
