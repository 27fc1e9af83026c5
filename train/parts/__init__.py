"""What recipes share; imports no recipe."""
