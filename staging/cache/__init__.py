"""The host's cache: bytes by digest, within a budget, for all processes."""
