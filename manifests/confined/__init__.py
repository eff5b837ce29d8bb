"""Files below a folder, reached so that nothing in it leads elsewhere and nothing in it hangs whoever reads it."""
