"""What is known of the values: counts, sketches, distributions, freshness."""
