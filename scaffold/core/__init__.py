"""Pure: no disk, clock, randomness, environment or logging. Everything here is a function from values to values."""
