"""What deployed models do in production: what they were asked and said, what was true, and how both change."""
