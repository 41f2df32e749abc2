"""Results files: what is written beside the annotated video, and how to read it back."""
