"""`posetrack eval`: one module a benchmark."""
