"""Writes a GPTQ checkpoint of one layer whose columns are in the order of activations.

activation_order.py OUT
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4] / "EndToEnd"))

from precompressed import ordered_llama  # noqa: E402

ordered_llama(pathlib.Path(sys.argv[1]), layers=1)
