"""What tests, chaos and benchmarks share: servers, builders, readers, and workers to be killed."""
