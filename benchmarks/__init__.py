"""Benchmarks (性能测量): scripts that print tables, each also a row source for `make bench`."""
