"""From a folder of labelled pictures to a model folder, honest numbers and a report."""
