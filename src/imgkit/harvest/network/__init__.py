"""The way to hosts and services: who may be contacted, how politely, and what comes back."""
