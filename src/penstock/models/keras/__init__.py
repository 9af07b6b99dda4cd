"""Files of Keras: read, and converted to ONNX once."""
