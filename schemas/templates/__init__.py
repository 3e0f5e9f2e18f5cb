"""URI templates: the grammar, how values are spelled in it, and the proof that two never meet."""
