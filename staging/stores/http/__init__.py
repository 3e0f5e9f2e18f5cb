"""HTTP/1.1 to one host: large bodies, and many small ones."""
