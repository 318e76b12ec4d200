"""What is used after training: classifier, model folder, predict, evaluate, export and serve."""
