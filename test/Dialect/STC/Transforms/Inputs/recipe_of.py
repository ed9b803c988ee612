"""Writes the recipe that a search left on a module as a file.

usage: recipe_of.py MODULE.mlir RECIPE.yaml
"""
import re
import sys

text = open(sys.argv[1]).read()
recipe = re.search(r'stc\.recipe = "((?:[^"\\]|\\.)*)"', text).group(1)
recipe = re.sub(r"\\([0-9A-F]{2}|.)",
                lambda m: chr(int(m[1], 16)) if len(m[1]) == 2 else m[1], recipe)
open(sys.argv[2], "w").write(recipe)
