"""Decoder families: Llama and what is near it."""
import unittest

from families import LLAMA
from family_check import FamilyTest, add_tests


class Families(FamilyTest):
    pass


add_tests(Families, LLAMA)


if __name__ == "__main__":
    unittest.main()
