"""Augmentations by a short name: `from manifests.augment import RandomCrop, RandomFlip, compose`."""

from manifests.loading.augment import RandomCrop, RandomFlip, compose

__all__ = ["RandomCrop", "RandomFlip", "compose"]
