"""Labels: what each frame is worth to a restorer."""
