"""Answers: what people ask of the catalog, one file per kind of question."""
