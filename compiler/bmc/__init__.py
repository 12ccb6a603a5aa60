"""bmc: compiles `.bm` model files into PyTorch, Keras and ONNX programs."""

__version__ = "0.1.0"
