"""Whether two outputs of stc-interpret are the same numbers.

usage: compare_logits.py FILE FILE TOLERANCE

TOLERANCE is relative to the largest number.
"""
import re
import sys


def numbers(path):
    with open(path) as file:
        return [float(number) for line in file if line.startswith("logits")
                for number in re.split(r"\s+", line.strip())[1:]]


first, second = numbers(sys.argv[1]), numbers(sys.argv[2])
largest = max(map(abs, first))
error = max(abs(a - b) for a, b in zip(first, second)) / largest
print(f"{len(first)} numbers, largest {largest}, relative difference {error:.2e}")
sys.exit(not (len(first) == len(second) > 0 and largest > 0.01 and error <= float(sys.argv[3])))
