"""One search, done by each tool."""
