"""The parts of export_model.py: errors, sources, taps, embedding, folding, torchscript, weights."""
