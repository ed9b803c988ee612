"""Decoder families: 2025's families."""
import unittest

from families import RECENT
from family_check import FamilyTest, add_tests


class Families(FamilyTest):
    pass


add_tests(Families, RECENT)


if __name__ == "__main__":
    unittest.main()
