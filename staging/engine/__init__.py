"""Work on many items at once, and digests beside it."""
