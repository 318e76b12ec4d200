"""From a folder of labelled pictures to a model folder, test scores and a report."""
