"""A shop that has grown: the monolith of the tests, Django 4.2 on Python 3.9."""
