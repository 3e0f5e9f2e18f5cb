"""Google and Azure, over obstore."""
