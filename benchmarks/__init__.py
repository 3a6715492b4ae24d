"""Speed, memory and accuracy against Keras's own layers and published peers."""
