"""The camera model: display photograph to sensor values and back."""
