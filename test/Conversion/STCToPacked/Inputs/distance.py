# Checks that the logits in two outputs of stc-interpret differ by at most a bound.
import sys


def logits(path):
    with open(path) as file:
        line = next(line for line in file if line.startswith("logits "))
    return [float(value) for value in line.split()[1:]]


first, second, bound = logits(sys.argv[1]), logits(sys.argv[2]), float(sys.argv[3])
assert len(first) == len(second) == 12
worst = max(abs(a - b) for a, b in zip(first, second))
assert worst <= bound, f"logits differ by {worst}, more than {bound}"
