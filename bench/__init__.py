"""Load benchmarks of Nextup: `bench/run`."""
