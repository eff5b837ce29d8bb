"""Can these labels be trusted? Statistics over the manifests and a self-contained report."""

from dataset_builder.audit.report import write_audit

__all__ = ["write_audit"]
