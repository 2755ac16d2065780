"""One module per verb: composes the rooms below and returns a result. Nothing here prints or exits."""
