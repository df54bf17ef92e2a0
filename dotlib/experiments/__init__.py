"""One module for each page; no page imports another."""
