"""Routes of leases, and of the locks, semaphores and elections that live with them."""
