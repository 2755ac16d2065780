"""Anti-corruption layers over the monoliths: what a person would write, and checks that run beside the layer alone."""
