"""The runner beside its peers: the same wide and deep pipelines in each tool's own environment, in one run."""
