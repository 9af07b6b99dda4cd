"""Model graphs as values: their nodes, files, inputs, and the features that they look up."""
