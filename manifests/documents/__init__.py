"""What is written about a data set: card, Croissant metadata, statistics, the page on the format."""
