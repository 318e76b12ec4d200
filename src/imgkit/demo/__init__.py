"""The loopback web: search services, image hosts, their faults and drawn pictures whose truth is known."""
