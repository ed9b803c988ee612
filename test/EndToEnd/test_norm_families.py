"""Decoder families: other norms, and fused projections."""
import unittest

from families import NORM
from family_check import FamilyTest, add_tests


class Families(FamilyTest):
    pass


add_tests(Families, NORM)


if __name__ == "__main__":
    unittest.main()
