"""This machine: locks and notes that end with their process, folders of runs, temporary files."""
