"""The anti-corruption layer's tools: what a monolith is (its snapshot), and what an API has copied from it."""
