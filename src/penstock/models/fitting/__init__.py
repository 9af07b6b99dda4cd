"""A fit: rows prepared and divided, learned from once or in trials, assembled, held against its row form."""
