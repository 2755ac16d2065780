"""Protobuf definitions in, running services out; and again after every change."""

__version__ = "0.1.0"
