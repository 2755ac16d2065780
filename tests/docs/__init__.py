"""Keeps the documentation true: its commands are run, its tables compared with the code."""
