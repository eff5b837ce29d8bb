"""Networks with weights that come in packages: nothing is downloaded."""
