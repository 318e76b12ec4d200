"""The loopback web: server, image hosts, and the faults of the real one."""
