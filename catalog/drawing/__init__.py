"""What people see: tables, graphs, their layout and drawing. Pure functions on values, no SQL."""
