"""Writes a flat FAISS index anew with 8 bits a value.

usage: python quantise_index.py FLAT OUT
"""

import sys

import faiss

flat = faiss.read_index(sys.argv[1])
vectors = flat.reconstruct_n(0, flat.ntotal)
codes = faiss.index_factory(flat.d, "SQ8")
codes.train(vectors)
codes.add(vectors)
faiss.write_index(codes, sys.argv[2])
