"""Amazon S3 and what speaks like it: by our own requests, or over s3fs."""
