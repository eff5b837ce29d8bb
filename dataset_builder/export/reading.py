"""What whoever reads an export must know to get the pixels that are stored, as Markdown with code to copy."""

from __future__ import annotations

TO_COLOURS = '''```python
import numpy as np


def to_colours(picture):
    """uint8 or uint16 [H, W, 3]; planes of 16 bits, one below the other, are put together."""
    values = np.asarray(picture)
    return values if values.ndim == 3 else values.reshape(3, -1, values.shape[1]).transpose(1, 2, 0)
```
'''
PLANES = """Pillow, and so what decodes with it, cuts 16-bit RGB to 8 bit. A picture of three 16-bit colours is therefore a grey 16-bit PNG
here, of its planes one below the other: red, green, blue. Nothing is lost so, but nobody sees a photograph in it: it has three times the
rows. `np.asarray` of a mosaic (`domain` is `raw_bayer`) is all of it; all other frames, and every ground truth, go through `to_colours`:
"""
MEANING = """The numbers are as a sensor or a file has them, **not pictures to look at**, and mostly linear light: a frame's signal is
(value − `black_level`) / (`white_level` − `black_level`); a truth's is value / 65535 · `ground_truth_white`. `white_balance` and
`color_matrix`, three rows of three, lead from there to linear sRGB; frames whose `domain` is `srgb` are developed already. Never
`convert("RGB")` 16 bits, nor decode them as 8: what is left are a few dark steps. Where `orientation` is not 1, the pixels are still to be
turned as EXIF's orientation says.
"""
