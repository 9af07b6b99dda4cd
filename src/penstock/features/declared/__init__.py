"""What is declared: feature sets and services, their versions, what they are called, how they are found."""
