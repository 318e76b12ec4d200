"""The search for settings: trials, their runner, and the study that keeps them."""
