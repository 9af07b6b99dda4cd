"""penstock: from raw table to trustworthy production model, as one system."""
