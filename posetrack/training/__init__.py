"""Training from a recipe: the application's side, which knows skeletons, files and metrics."""
