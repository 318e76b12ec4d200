"""The way to hosts: who may be contacted, how politely, and what comes back."""
