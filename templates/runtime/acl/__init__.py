"""What an anti-corruption layer is made of. It runs inside somebody's old program: Python 3.9 syntax, no pydantic."""
