"""The first layout. Whoever makes a table makes it in the newest one, so there is nothing to do."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Tables of version 0.1 are like this, without a version to say so."""
