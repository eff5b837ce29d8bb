"""How the weights that come with the toolkit were made; not needed to use them."""
