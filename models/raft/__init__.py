"""RAFT: optical flow by a network (Teed and Deng, ECCV 2020), as torchvision has it."""
