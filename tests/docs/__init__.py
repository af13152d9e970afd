"""What the pages have readers type, on real clusters."""
