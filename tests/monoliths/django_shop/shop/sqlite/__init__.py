"""SQLite for more than one writer."""
