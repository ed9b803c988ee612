"""Checkpoints of compressed-tensors: codes of whole numbers and bitmasks.

Formats: that library's compressors/quantized_compressors/pack_quantized.py, sparse_compressors
(sparse_bitmask.py, sparse_24_bitmask.py) and sparse_quantized_compressors/marlin_24.py.
"""
import struct
import unittest

from precompressed import (Matrix, Precompressed, bfloat, floats, integers, library, packed, single,
                           transpose, whole_words, words)


class CompressedTensors(Precompressed):
    def test_packed(self):
        for bits, group, symmetric in ((4, 128, True), (4, 32, False), (8, 64, True), (3, 128, True),
                                       (2, 32, False), (4, -1, True)):
            with self.subTest(bits=bits, group=group, symmetric=symmetric):
                layout = f"dense-int{bits}-" + (f"g{group}" if group > 0 else "row") \
                    + ("" if symmetric else "-asym")
                self.check(lambda name, m: packed(name, m, symmetric),
                           self.matrix(bits, group, symmetric=symmetric),
                           library("pack-quantized", bits, group, symmetric),
                           layout if group > 0 else None)

    def test_three_bits_in_whole_words(self):
        self.check(lambda name, m: packed(name, m, True, whole_words),
                   self.matrix(3, 128, symmetric=True), library("pack-quantized", 3, 128, True),
                   "dense-int3-g128")

    def test_bfloat_scales_are_halves_too(self):
        self.check(lambda name, m: packed(name, m, True, kind="BF16"),
                   self.matrix(4, 64, symmetric=True, rounding=bfloat),
                   library("pack-quantized", 4, 64, True), "dense-int4-g64")

    def test_scales_of_single_precision_are_rounded(self):
        compressed, values = self.both(
            lambda name, m: packed(name, m, True, kind="F32"),
            self.matrix(4, 64, symmetric=True, rounding=single),
            library("pack-quantized", 4, 64, True))
        self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                         self.logits(values, "--stc-to-graph"))
        self.assertEqual(set(self.layouts(compressed).values()), {"dense-int4-g64"})
        self.assertRegex(self.messages, r"scales of 7 are rounded to f16, relative error up to "
                                        r"[12]\.\d+E-04")

    def test_bytes(self):
        for bits, group, symmetric in ((8, -1, True), (8, 64, False), (4, 32, True)):
            with self.subTest(bits=bits, group=group, symmetric=symmetric):
                self.check(lambda name, m: integers(name, m, symmetric),
                           self.matrix(bits, group, symmetric=symmetric),
                           library("int-quantized", bits, group, symmetric),
                           f"dense-int{bits}-g{group}" + ("" if symmetric else "-asym")
                           if group > 0 else None)

    def bitmask(self, name, m, kind, two_four):
        values = m.values()
        kept = [[column for column in range(m.columns)
                 if (column % 4 in (0, 3) if two_four else row[column] != 0)] for row in values]
        masks = [sum(1 << column for column in columns).to_bytes(m.columns // 8, "little")
                 for columns in kept]
        flat = [row[column] for row, columns in zip(values, kept) for column in columns]
        shape = (m.rows, m.columns // 2) if two_four else (len(flat),)
        tensors = {name + ".compressed": floats(kind, shape, flat),
                   name + ".bitmask": ("U8", (m.rows, m.columns // 8), b"".join(masks)),
                   name + ".shape": ("I64", (2, 1) if two_four else (2,),
                                     struct.pack("<2q", m.rows, m.columns))}
        if not two_four:
            offsets, total = [], 0
            for columns in kept:
                offsets.append(total)
                total += len(columns)
            tensors[name + ".row_offsets"] = ("I64", (m.rows,),
                                              struct.pack(f"<{m.rows}q", *offsets))
        return tensors

    def test_bitmasks(self):
        for two_four in (False, True):
            for kind in ("BF16", "F32"):
                with self.subTest(two_four=two_four, kind=kind):
                    def keep(column, generator):
                        return column % 4 in (0, 3) if two_four else generator.random() < 0.4

                    # Few bits and a scale of a power of two: values are exact in every type.
                    make = self.matrix(4, -1, symmetric=True, keep=keep, rounding=lambda x: 2 ** -6)
                    sparsity = "sparse-24-bitmask" if two_four else "sparse-bitmask"
                    compressed, values = self.both(
                        lambda name, m: self.bitmask(name, m, kind, two_four), make,
                        {"quant_method": "compressed-tensors", "format": "dense",
                         "sparsity_config": {"format": sparsity, "sparsity_structure":
                                             "2:4" if two_four else "unstructured"}})
                    self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                                     self.logits(values, "--stc-to-graph"))
                    # The zeros a mask names stay left out, whether or not the rest is quantized.
                    pattern = "2:4" if two_four else "bitmap"
                    self.assertEqual(set(self.layouts(compressed).values()),
                                     {f"{pattern}-{kind.lower()}"})
                    layouts = self.layouts(compressed, "--quantize", "int8")
                    self.assertEqual(set(layouts.values()),
                                     {f"{pattern}-int8-g32"})


def tensor_core_order(bits):
    """Where marlin-24 takes each code of a tile of 16 kept inputs x 64 outputs from, as inputs * 16
    + output within 16 outputs, plus 256 for each 16 before (utils/permutations_24.py)."""
    order = []
    for lane in range(32):
        pairs = [16 * k + lane // 8 * 256 + 8 * (lane // 4 % 2) + 4 * block for block in (0, 1)
                 for k in (2 * (lane % 4), 2 * (lane % 4) + 1, 2 * (lane % 4) + 8,
                           2 * (lane % 4) + 9)]
        order += [place + j for j in range(4) for place in pairs]
    turns = (0, 2, 4, 6, 1, 3, 5, 7) if bits == 4 else (0, 2, 1, 3)
    return [order[at + turn] for at in range(0, len(order), len(turns)) for turn in turns]


def marlin_24(name, m):
    """A 2:4 matrix of symmetric codes. CUTLASS's 2:4 metadata: reorder_meta of host_reorder.h."""
    middle, per = 1 << m.bits - 1, 32 // m.bits
    kept, places = [], []
    for row in m.codes:
        halves, marks = [], []
        for at in range(0, m.columns, 4):
            # Zeros fill up where fewer than two are not the middle.
            used = [i for i in range(4) if row[at + i] != middle]
            free = [i for i in (3, 2, 1, 0) if i not in used]
            used = sorted(used + free[:2 - len(used)])
            assert len(used) == 2
            halves += [row[at + i] for i in used]
            marks.append(used[0] | used[1] << 2)
        kept.append(halves)
        places.append([sum(mark << (4 * i) for i, mark in enumerate(marks[at:at + 4]))
                       for at in range(0, len(marks), 4)])
    order, rows = tensor_core_order(m.bits), []
    inputs = transpose(kept)
    for k in range(0, len(inputs), 16):
        tiles = [inputs[k + i][n + j] for n in range(0, m.rows, 16) for i in range(16)
                 for j in range(16)]
        dealt = [tiles[at + place] for at in range(0, len(tiles), 1024) for place in order]
        rows.append([sum(code << (m.bits * i) for i, code in enumerate(dealt[at:at + per]))
                     for at in range(0, len(dealt), per)])
    meta = [0] * (m.rows * m.columns // 16)
    for r, row in enumerate(places):
        for c, mark in enumerate(row):
            to = r // 64 * 64 + r % 2 * 2 + r % 8 // 4 + r % 4 // 2 * 32 + r % 64 // 8 * 4
            swap = (to % 2 == 0 and c % 2 == 1) - (to % 2 == 1 and c % 2 == 0)
            to, column = to + swap, c - swap
            meta[column // 2 * 2 * m.rows + 2 * to + column % 2] = mark
    scales = transpose(m.scales)
    if m.groups > 1 and m.group < m.columns // 2:
        scales = [[row[at + i] for at in range(0, m.rows, 8) for i in (0, 4, 1, 5, 2, 6, 3, 7)]
                  for row in scales]
    return {name + ".weight_packed": words(rows),
            name + ".scale_packed": floats("F16", (m.groups, m.rows), sum(scales, [])),
            name + ".meta": ("I16", (m.columns // 32, 2 * m.rows),
                             struct.pack(f"<{len(meta)}H", *meta))}


class Marlin24(Precompressed):
    def two_four(self, bits, group):
        def keep(column, generator):
            return column % 4 in self.kept[column // 4]
        self.kept = [self.generator.sample(range(4), 2) for _ in range(64)]
        return self.matrix(bits, group, symmetric=True, keep=keep)

    def test_bits_and_groups(self):
        for bits, group in ((4, 128), (4, 32), (8, 64), (4, -1)):
            with self.subTest(bits=bits, group=group):
                layout = f"2:4-int{bits}-" + (f"g{group}" if group > 0 else "row")
                self.check(marlin_24, self.two_four(bits, group),
                           library("marlin-24", bits, group, True), layout if group > 0 else None)

    def test_fewer_than_two_are_kept(self):
        self.check(marlin_24,
                   self.matrix(4, 32, symmetric=True,
                               keep=lambda column, generator: column % 4 == column // 4 % 4),
                   library("marlin-24", 4, 32, True))

    def refused(self, change, part, **more):
        def pack(name, m):
            tensors = marlin_24(name, m)
            if name.endswith("q_proj"):
                change(name, tensors)
            return tensors
        compressed, _ = self.both(pack, self.two_four(4, 128),
                                  library("marlin-24", 4, 128, True, **more))
        self.assertRefused(compressed, part)

    def test_wrong_tensors(self):
        def put(suffix, tensor):
            return lambda name, tensors: tensors.update({name + suffix: tensor})

        def drop(suffix):
            return lambda name, tensors: tensors.pop(name + suffix)

        for change, part in (
                (drop(".meta"), "q_proj.meta: expected the places of the codes, got no such"),
                (drop(".scale_packed"), "q_proj.scale_packed: expected the scales of 4-bit codes"),
                (put(".meta", ("I16", (4, 128), bytes(1024))), "meta: expected I16 [4, 256]"),
                (put(".meta", ("I16", (4, 256), bytes(2048))),
                 "q_proj.meta: expected two ascending places among four columns, got 0 and 0"),
                (put(".scale_packed", floats("F16", (2, 128), [1.0] * 256)),
                 "scale_packed: expected F16 [1, 128] (4-bit codes in groups of 128"),
                (put(".weight_packed", ("I32", (4, 100), bytes(1600))),
                 "weight_packed: expected I32 words of 4-bit codes of a multiple of 64 rows")):
            with self.subTest(part=part):
                self.refused(change, part)


if __name__ == "__main__":
    unittest.main()
