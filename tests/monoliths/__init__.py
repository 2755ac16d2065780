"""Monoliths: two shops of ours, and what it takes to run them with the packages of their age."""
