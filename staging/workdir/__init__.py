"""The folder of one run, and the inputs placed in it."""
