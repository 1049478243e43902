"""What pages and API share of the web."""
