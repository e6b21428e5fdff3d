"""Commands of locks, elections, semaphores and leases."""
