"""Benchmarks: every figure of docs/benchmarks.md comes from `make bench`; peers and floors run beside ours."""
