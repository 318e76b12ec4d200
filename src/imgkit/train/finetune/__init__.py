"""Fine-tuning: trainer, validator, optimiser, schedule, checkpoints, distributed training."""
