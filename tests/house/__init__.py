"""The rules of the house, as tests: each names every offence by file and line, and proves that it can."""
