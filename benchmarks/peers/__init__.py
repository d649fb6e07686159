"""Other tools on the same kernels, plants and noise, at the same number of calls."""
