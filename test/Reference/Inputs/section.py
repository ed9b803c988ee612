"""Writes a weights section as Packing's documentation defines it, without using Packing.

Six weights of two rows and 40 columns, all with the same values:
  row 0: 1 at columns 4i and -2 at 4i + 1, times 0.5 (columns 0 to 31) and 0.25 (the others);
  row 1: 3 at columns 4i + 1 and -1 at 4i + 3, times 1 and 2.
Then a table of three rows and two columns (1 to 6) as rows f32, rows bf16 and dense f32; then the
first values again as dense int3, dense int4 with zeros, pairs of 8:16, and blocks of int8 and int4;
then the table as dense bf16; and the values as dense int4 once more, with the scales 0.5 and 1 of
rows, and with the scales LOWERED and the minimums MINIMUMS of groups of 16.
Prints the offset and size of each.
"""
import struct
import sys

ROWS, COLUMNS, GROUP, TILE = 2, 40, 32, 16
PADDED = 64
STEPS, GROUPS = PADDED // 4, PADDED // GROUP
SCALES = [[0.5, 0.25], [1.0, 2.0]]
LOWERED = [[0.5, 0.25, 2.0], [1.0, 2.0, 0.5]]
MINIMUMS = [[3.5, 2.25, 15.0], [8.0, 17.0, 4.0]]


def code(row, column):
    if row >= ROWS or column >= COLUMNS:
        return 0
    return [{0: 1, 1: -2}, {1: 3, 3: -1}][row].get(column % 4, 0)


def pad(data):
    return data + bytes(-len(data) % 64)


def scales():
    return pad(b"".join(struct.pack("<e", SCALES[r][g] if r < ROWS else 0)
                        for g in range(GROUPS) for r in range(TILE)))


def step_codes(step, zero):
    """The codes of one step: 16 rows of 4 columns."""
    return [code(r, 4 * step + j) + zero for r in range(TILE) for j in range(4)]


def dense(bits):
    zero = 1 << (bits - 1)
    steps = [step_codes(s, zero) for s in range(STEPS)]
    if bits == 8:
        values = b"".join(bytes(s) for s in steps)
    else:
        values = b"".join(bytes(a | b << 4 for a, b in zip(*steps[i:i + 2]))
                          for i in range(0, STEPS, 2))
    return scales() + pad(values)


def sparse(bits, fill):
    """Masks and values; `fill` says which columns of a step are stored beside the non-zeros."""
    zero = 1 << (bits - 1)
    masks, chunks = [], []
    for s in range(STEPS):
        mask, stored = 0, []
        for r in range(TILE):
            codes = [code(r, 4 * s + j) for j in range(4)]
            kept = {j for j in range(4) if codes[j]}
            for j in range(4):
                if len(kept) < fill:
                    kept.add(j)
            for j in sorted(kept):
                mask |= 1 << (4 * r + j)
                stored.append(codes[j] + zero)
        masks.append(mask)
        chunks.append(stored)
    if bits == 8:
        values = b"".join(bytes(c) for c in chunks)
    else:
        values = b""
        for low, high in zip(chunks[::2], chunks[1::2]):
            count = max(len(low), len(high))
            low, high = [c + [0] * (count - len(c)) for c in (low, high)]
            values += bytes(a | b << 4 for a, b in zip(low, high))
    return scales() + pad(struct.pack("<%dQ" % STEPS, *masks)) + pad(values)


def bitmap(bits):
    tile = sparse(bits, 0)
    return pad(struct.pack("<2I", 1, 1 + len(tile) // 64)) + tile


def dense3():
    values = b""
    for first in range(0, STEPS, 8):
        steps = [step_codes(s, 4) for s in range(first, first + 8)]
        for part in (steps[:4], steps[4:]):
            values += bytes(sum((c & 3) << 2 * i for i, c in enumerate(place))
                            for place in zip(*part))
        values += bytes(sum((c >> 2) << i for i, c in enumerate(place)) for place in zip(*steps))
    return scales() + values


def dense4_with_zeros():
    zeros = [[2, 9], [4, 11]]
    stored = pad(bytes(zeros[r][g] if r < ROWS else 8 for g in range(GROUPS) for r in range(TILE)))
    steps = [[code(r, 4 * s + j) + (zeros[r][4 * s // GROUP] if r < ROWS else 8)
              for r in range(TILE) for j in range(4)] for s in range(STEPS)]
    return scales() + stored + b"".join(bytes(a | b << 4 for a, b in zip(*steps[i:i + 2]))
                                        for i in range(0, STEPS, 2))


def dense4_with_scales_of_rows():
    steps = [step_codes(s, 8) for s in range(32)]  # 128 columns
    return (pad(struct.pack("<16e", 0.5, 1.0, *[0] * 14)) +
            b"".join(bytes(a | b << 4 for a, b in zip(*steps[i:i + 2])) for i in range(0, 32, 2)))


def dense4_with_minimums():
    def halves(numbers):
        return pad(b"".join(struct.pack("<e", numbers[r][g] if r < ROWS else 0)
                            for g in range(3) for r in range(TILE)))

    # 48 columns. What has a code counts from 8, padding columns hold the code 0.
    steps = [[0 if r < ROWS and 4 * s + j >= COLUMNS else code(r, 4 * s + j) + 8
              for r in range(TILE) for j in range(4)] for s in range(12)]
    return (halves(LOWERED) + halves(MINIMUMS) +
            b"".join(bytes(a | b << 4 for a, b in zip(*steps[i:i + 2])) for i in range(0, 12, 2)))


def pairs8():
    values = b""
    for first in range(0, PADDED, 16):
        rows = []
        for r in range(TILE):
            kept = {c for c in range(16) if code(r, first + c)}
            for c in range(16):
                if len(kept) < 8:
                    kept.add(c)
            rows.append(bytes((code(r, first + c) & 15) << 4 | c for c in sorted(kept)))
        values += b"".join(row[:4] for row in rows) + b"".join(row[4:] for row in rows)
    return scales() + values


def block(bits):
    stored = [s for s in range(STEPS) if any(step_codes(s, 0))]
    ends = [sum(4 * s < (g + 1) * GROUP for s in stored) for g in range(GROUPS)]
    if bits == 8:
        values = b"".join(bytes(c & 255 for c in step_codes(s, 0)) for s in stored)
    else:
        codes = [[c & 15 for c in step_codes(s, 0)] for s in stored]
        values = b"".join(bytes(a | b << 4 for a, b in zip(c[:32], c[32:])) for c in codes)
    tile = (scales() + pad(struct.pack("<%dH" % GROUPS, *ends)) +
            pad(struct.pack("<%dH" % len(stored), *stored)) + pad(values))
    return pad(struct.pack("<2I", 1, 1 + len(tile) // 64)) + tile


def bfloat16(value):
    return struct.pack("<f", value)[2:]


TABLE = [[1, 2], [3, 4], [5, 6]]
matrices = [
    dense(8), dense(4), bitmap(8), bitmap(4), sparse(8, 2), sparse(4, 2),
    pad(b"".join(struct.pack("<2f", *row) for row in TABLE)),
    pad(b"".join(bfloat16(v) for row in TABLE for v in row)),
    b"".join(struct.pack("<16f", *([row[k] for row in TABLE] + [0] * 13)) for k in range(2)),
    dense3(), dense4_with_zeros(), pairs8(), block(8), block(4),
    pad(b"".join(bfloat16(row[k]) for k in range(2) for row in TABLE + [[0, 0]] * 13)),
    dense4_with_scales_of_rows(), dense4_with_minimums(),
]
section = b""
for matrix in matrices:
    size = len(matrix) + 128
    print(len(section), size)
    section += pad(matrix + bytes(128))
with open(sys.argv[1], "wb") as file:
    file.write(section)
