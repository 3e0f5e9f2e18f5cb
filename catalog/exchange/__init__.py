"""Exchange: what the catalog tells others, and takes from them, in their formats."""
