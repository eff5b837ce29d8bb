"""What selecting frames is worth: scores choose frames, the restorer restores from those alone, and the fidelity is compared.

`measure_gains` takes any scores, those of labels or those that a model predicts; `summarise_gains` averages over bursts.
"""

from dataset_builder.selection.gains import measure_gains, summarise_gains
from dataset_builder.selection.guides import Guide, measure_guides
from dataset_builder.selection.policies import POLICIES, choose_frames

__all__ = [
    "POLICIES",
    "Guide",
    "choose_frames",
    "measure_gains",
    "measure_guides",
    "summarise_gains",
]
