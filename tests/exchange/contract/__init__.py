"""One suite of promises for every exchange: simulated, paper, and real protocols through the client library."""
