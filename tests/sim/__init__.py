"""The whole engine in virtual time, with seeded faults."""
