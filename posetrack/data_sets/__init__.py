"""Check of data sets: what a training or an evaluation would stumble over, or would not even notice."""
