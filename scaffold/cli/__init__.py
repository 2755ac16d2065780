"""The doors: one module per command; arguments → verb → printed result → exit code, and nothing else."""
