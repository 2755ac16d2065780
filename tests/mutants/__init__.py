"""Faulty services: what the generated contract suite is worth is what it catches."""
