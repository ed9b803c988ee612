// stc-compress-layers with a recipe: the first stage that matches a weight decides, with
// calibration and without.
// RUN: %python %S/Inputs/calibrated_model.py %t.mlir %t.ids
// RUN: split-file %s %t
// RUN: cp %t.ids %t/text.ids
// RUN: stc-opt %t.mlir --stc-compress-layers='recipe=%t/calibrated.yaml' | FileCheck %s --check-prefix=CALIBRATED
// RUN: stc-opt %t.mlir --stc-compress-layers='recipe=%t/simple.yaml verbose=true' 2>&1 | FileCheck %s --check-prefix=SIMPLE
// RUN: stc-opt %t.mlir --stc-prune='spec=2:4' --stc-quantize='spec=int8-g32' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2> %t/passes.txt
// RUN: stc-opt %t.mlir --stc-compress-layers='recipe=%t/both.yaml' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2> %t/recipe.txt
// RUN: diff %t/passes.txt %t/recipe.txt
// RUN: not stc-opt %t.mlir --stc-compress-layers='recipe=%t/wrong.yaml' 2>&1 | FileCheck %s --check-prefix=WRONG
// RUN: not stc-opt %t.mlir --stc-compress-layers='recipe=%t/simple.yaml prune=2:4' 2>&1 | FileCheck %s --check-prefix=BESIDE
// RUN: not stc-opt %t.mlir --stc-compress-layers='prune=2:4' 2>&1 | FileCheck %s --check-prefix=NOTEXT

// CALIBRATED-LABEL: stc.weight @layers.0.q
// CALIBRATED-NOT: prune
// CALIBRATED-SAME: quant = #stc.quant<"gptq:int8-g32", error = {{[0-9.e-]+}} : f64>, stc.calibrated
// CALIBRATED-LABEL: stc.weight @layers.0.k
// CALIBRATED-NOT: quant
// CALIBRATED-LABEL: stc.weight @layers.0.v
// CALIBRATED-LABEL: stc.weight @layers.0.gate
// CALIBRATED-SAME: prune = #stc.prune<"sparsegpt:2:4", density = 5.000000e-01 : f64>, quant = #stc.quant<"gptq:int4-g32"
// CALIBRATED-LABEL: stc.weight @layers.0.down
// CALIBRATED-SAME: prune = #stc.prune<"alps:0.5", density = 5.000000e-01 : f64>, stc.calibrated
// CALIBRATED-NOT: quant

// SIMPLE: warning: match: 'layers.0.gats' matches no weight; the nearest is layers.0.gate
// SIMPLE: remark: layers.0.q: pruned as magnitude:2:4, density 0.5000, relative error 0.{{[0-9]+}}
// SIMPLE: remark: layers.0.k: quantized as rtn:int4-g32, relative error 0.0{{[0-9]+}}
// SIMPLE-NOT: stc.calibrated

// WRONG: error: {{.*}}wrong.yaml:3: stages[0]: expected the keys match, prune, quantize, got quantise (is quantize meant?)
// BESIDE: error: recipe: expected no prune, quantize, calibrate or ratios beside it, got them
// NOTEXT: error: stc-compress-layers: expected a text in calibrate, or a recipe, got none

//--- calibrated.yaml
version: 1
calibration: {text: text.ids, sequences: 32, length: 16}
stages:
  - match: "*.q"
    quantize: int8-g32
  - match: "*.[kvo]"
  - match: "*.down"
    prune: "0.5"
  - match: "*"
    prune: 2:4
    quantize: gptq:int4-g32
//--- simple.yaml
version: 1
stages:
  - match: "layers.0.gats"
    prune: 2:4
  - match: "*.q"
    prune: 2:4
  - match: "*"
    quantize: int4-g32
//--- both.yaml
version: 1
stages:
  - match: "*"
    prune: 2:4
    quantize: int8-g32
//--- wrong.yaml
version: 1
stages:
  - quantise: int4
