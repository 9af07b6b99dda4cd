"""What learns: each learner with its options, its fit, its estimates of many rows and of one."""
