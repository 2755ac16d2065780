"""Anti-corruption layers over the monoliths: what a person would write, and the workspaces that hold it."""
