"""Where a write went first: an app of the shop's, with one table."""
