"""What is done with whole data sets: joining, cutting, comparing, packing, bringing up to date."""
