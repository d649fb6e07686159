"""Training on text: groups (what learns how fast), data (which windows), loop (the steps), files (checkpoints),
learner (all of it behind one handle, as a command uses it)."""
