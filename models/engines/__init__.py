"""Inference engines (torch, OpenVINO, ONNX Runtime) with one interface: images in, named tensors out."""
