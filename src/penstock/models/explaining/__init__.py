"""Why a prediction is what it is: what each feature adds, in one row and in many."""
