"""Can these labels be trusted? Statistics over the manifests and a self-contained report."""
