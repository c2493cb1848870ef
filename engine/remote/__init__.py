"""The control socket: the client interface of the engine from another process."""
