"""Regenerate through a history of protos with a person's code in the tree, and see what comes of it.

``python -m tests.bench.replay FOLDER`` takes a folder of numbered revisions, each with all of its protos:

    FOLDER/001/**.proto
    FOLDER/002/**.proto …

A revision may have a ``scaffold.toml``, which holds until the next one, and an ``about.txt``, a line of what it is about.
Without any scaffold.toml, one store serves every service there is. A history in git becomes such a folder with
``git archive COMMIT PATH | tar -x -C FOLDER/NNN`` for each commit of ``git log --reverse --format=%h PATH``.
"""
