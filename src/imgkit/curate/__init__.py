"""From harvested pictures to a set one can trust: findings, verdicts, a folder to train on, and a report."""
