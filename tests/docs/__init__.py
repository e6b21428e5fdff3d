"""The documentation as tests: snippets, recipes, links, names, citations."""
