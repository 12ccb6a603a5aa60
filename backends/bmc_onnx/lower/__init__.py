"""The ONNX lowerings: a module for each one of `bmc.ops` that declares layers."""
