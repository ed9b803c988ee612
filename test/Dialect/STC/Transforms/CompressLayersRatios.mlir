// stc-compress-layers with ratios=owl: layers with more outliers lose less, the mean stays.
// RUN: %python %S/Inputs/calibrated_model.py %t.mlir %t.ids 4
// RUN: split-file %s %t
// RUN: cp %t.ids %t/text.ids
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=wanda:0.7 ratios=owl verbose=true' -o %t/owl.mlir 2> %t/owl.txt
// RUN: %python %t/check.py %t/owl.mlir %t/owl.txt 0.08
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=wanda:0.7 ratios=owl owl-range=0.2 owl-threshold=7 verbose=true' -o %t/more.mlir 2> %t/more.txt
// RUN: %python %t/check.py %t/more.mlir %t/more.txt 0.2
// RUN: not diff %t/owl.txt %t/more.txt
// RUN: stc-opt %t.mlir --stc-compress-layers='recipe=%t/owl.yaml verbose=true' -o %t/recipe.mlir
// RUN: diff %t/owl.mlir %t/recipe.mlir
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=wanda:0.7 ratios=uniform' -o %t/uniform.mlir
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=wanda:0.7' | diff - %t/uniform.mlir
// RUN: stc-opt %t.mlir --stc-compress-layers='recipe=%t/mixed.yaml' | FileCheck %s --check-prefix=MIXED
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids prune=2:4 ratios=owl' 2>&1 | FileCheck %s --check-prefix=SMALL
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids quantize=int4 ratios=owl' 2>&1 | FileCheck %s --check-prefix=NOTHING
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids prune=0.5 ratios=owls' 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids prune=0.5 ratios=owl owl-range=1' 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// N of 16 and blocks, each with a mean of its own; what is not pruned stays so.
// MIXED: @layers.0.q {{.*}}prune = #stc.prune<"alps:7:16"
// MIXED: @layers.0.k {{.*}}prune = #stc.prune<"alps:7:16"
// MIXED: @layers.0.v
// MIXED-NOT: prune
// MIXED: @layers.0.o {{.*}}prune = #stc.prune<"alps:block4x4:0.58"
// MIXED: @layers.1.q {{.*}}prune = #stc.prune<"alps:8:16"
// MIXED: @layers.2.q {{.*}}prune = #stc.prune<"alps:8:16"
// MIXED: @layers.3.q {{.*}}prune = #stc.prune<"alps:9:16"
// MIXED: @layers.3.o {{.*}}prune = #stc.prune<"alps:block4x4:0.4

// SMALL: error: prune: expected a ratio, blocks or N:M with M of at least 8 beside ratios owl, got 2:4
// NOTHING: error: ratios: expected something to prune beside owl, got none
// UNKNOWN: error: ratios: expected uniform or owl, a positive owl-threshold and owl-range in [0, 1)

//--- owl.yaml
version: 1
calibration: {text: text.ids, length: 16}
ratios: owl
stages:
  - match: "*"
    prune: wanda:0.7
//--- mixed.yaml
version: 1
calibration: {text: text.ids, length: 16}
ratios: {method: owl, range: 0.08}
stages:
  - match: "*.[qk]"
    prune: 8:16
  - match: "*.v"
  - match: "*"
    prune: block4x4:0.5
//--- check.py
import re
import sys

module, remarks, limit = open(sys.argv[1]).read(), open(sys.argv[2]).read(), float(sys.argv[3])
layers = [(float(share), float(ratio), int(layer)) for layer, share, ratio in re.findall(
    r"remark: layer (\d+): ([\d.]+) % outliers, pruned as ([\d.]+) in place of 0.7\b", remarks)]
ratios = {layer: ratio for _, ratio, layer in layers}
assert len(layers) == len(ratios) == 4, remarks[:500]
assert max(layers)[1] < min(layers)[1], layers
assert [ratio for _, ratio, _ in sorted(layers)] == sorted(ratios.values(), reverse=True), layers
assert min(layers)[2] == 0, layers  # the layer without outliers
assert abs(sum(ratios.values()) / 4 - 0.7) < 1e-4, layers
assert abs(max(abs(ratio - 0.7) for ratio in ratios.values()) - min(limit, 0.15)) < 1e-4, layers
weights = re.findall(r'stc.weight @layers.(\d).*prune<"wanda:([\d.]+)", density = ([\d.e-]+)', module)
assert len(weights) == 4 * 7, weights
for layer, ratio, density in weights:
    assert float(ratio) == ratios[int(layer)], (layer, ratio)
    assert abs(1 - float(density) - float(ratio)) < 0.5 / 32, (ratio, density)  # whole weights of rows
