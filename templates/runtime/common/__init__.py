"""What every kind of service shares, and what also runs inside an older program: Python 3.9 syntax, no pydantic."""
