"""Folders as inputs: listed or by manifest, member by member."""
