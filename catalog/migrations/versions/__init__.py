"""The revisions. One that was released never changes and never disappears."""
