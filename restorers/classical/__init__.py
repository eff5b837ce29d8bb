"""Published multi-frame and single-frame methods without learned weights."""
