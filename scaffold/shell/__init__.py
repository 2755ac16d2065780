"""The generator's only input and output. The modules here never import one another."""
