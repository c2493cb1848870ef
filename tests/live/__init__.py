"""The whole engine in real time against a loopback exchange, through the unmodified client library."""
