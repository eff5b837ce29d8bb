"""Writers of tiny data sets in exactly the layouts of cameras and public data sets, for lack of the real ones."""
