"""What people say of frames."""
