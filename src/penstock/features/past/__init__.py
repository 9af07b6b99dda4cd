"""Features as of any time: what was known of each entity at the time of each row."""
