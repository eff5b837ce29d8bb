"""A data set in the forms that other tools read."""
