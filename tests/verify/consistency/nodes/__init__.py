"""The nodes of a run: processes, disks, clocks, and what they are asked."""
