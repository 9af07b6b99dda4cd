"""Features as they are now: records and tiles in LMDB or Redis, brought up from the history, read in microseconds."""
