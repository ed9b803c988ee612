"""Decoder families: GPT-2, GPT-NeoX, Falcon and what is near them."""
import unittest

from families import GPT
from family_check import FamilyTest, add_tests


class Families(FamilyTest):
    pass


add_tests(Families, GPT)


if __name__ == "__main__":
    unittest.main()
