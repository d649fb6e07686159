"""Scripts that reproduce the figures this project claims about its own measuring. See README.md here."""
