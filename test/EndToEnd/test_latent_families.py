"""Decoder families: latent attention, and mixtures with shared experts."""
import unittest

from families import LATENT
from family_check import FamilyTest, add_tests


class Families(FamilyTest):
    pass


add_tests(Families, LATENT)


if __name__ == "__main__":
    unittest.main()
