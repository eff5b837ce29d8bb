"""The page of the audit: one HTML file that opens from disk and asks nothing of the network."""
