"""Real nodes in network namespaces, the same load and faults on both layers, and a verdict on each."""
