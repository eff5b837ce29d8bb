"""The kinds of real bursts there are; a new one is a line here and a file beside this one."""

from __future__ import annotations

from dataset_builder.ingest.kinds.burstsr import BurstSRSource
from dataset_builder.ingest.kinds.folders import FolderSource
from dataset_builder.ingest.kinds.hdrplus import HdrPlusSource
from dataset_builder.ingest.kinds.kpn import KernelSource
from dataset_builder.ingest.kinds.photo_triage import PhotoTriageSource
from dataset_builder.ingest.kinds.spaq import SpaqSource
from dataset_builder.ingest.kinds.stacks import StackSource
from dataset_builder.ingest.kinds.synthetic_burst import SyntheticBurstSource
from dataset_builder.ingest.source import CaptureSource

KINDS: tuple[type[CaptureSource], ...] = (
    FolderSource,
    StackSource,
    BurstSRSource,
    SyntheticBurstSource,
    HdrPlusSource,
    KernelSource,
    PhotoTriageSource,
    SpaqSource,
)
