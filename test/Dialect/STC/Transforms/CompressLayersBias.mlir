// stc-compress-layers with repair: biases are fitted with their matrices, which helps.
// RUN: %python %S/Inputs/calibrated_model.py %t.mlir %t.ids --bias
// RUN: split-file %s %t
// RUN: cp %t.ids %t/text.ids
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=2:4 verbose=true' -o %t.fitted.mlir 2> %t.remarks
// RUN: FileCheck %s --check-prefix=FITTED --input-file %t.fitted.mlir
// RUN: FileCheck %s --check-prefix=REMARK --input-file %t.remarks
// What is excluded stays, as do biases of matrices that are left alone, and all without repair.
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=2:4 exclude=*.q_bias,*.up' 2>&1 | FileCheck %s --check-prefix=EXCLUDED
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=2:4 repair=false' | FileCheck %s --check-prefix=EXCLUDED
// RUN: stc-opt %t.mlir --stc-compress-layers='recipe=%t/some.yaml' 2>&1 | FileCheck %s --check-prefix=EXCLUDED
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=2:4' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2> %t.with
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 prune=2:4 exclude=*_bias' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2> %t.without
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 quantize=int2' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2> %t.codes.with
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 quantize=int2 exclude=*_bias' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2> %t.codes.without
// RUN: %python -c "import re, sys; kl = [float(re.search('KL ([0-9.]+)', open(f).read())[1]) for f in sys.argv[1:]]; print(kl); sys.exit(not (kl[1] > kl[0] > 0.001 and kl[3] > kl[2] > 0.001))" %t.with %t.without %t.codes.with %t.codes.without

// FITTED: stc.weight @layers.0.q_bias : tensor<32xf32> {stc.calibrated
// FITTED: stc.weight @layers.0.up_bias : tensor<48xf32> {stc.calibrated
// REMARK: remark: layers.0.q_bias: fitted with its matrix
// REMARK: remark: layers.0.q: pruned as alps:2:4
// REMARK: remark: layers.0.up_bias: fitted with its matrix
// EXCLUDED-NOT: warning
// EXCLUDED: stc.weight @layers.0.q {{.*}}stc.calibrated
// EXCLUDED: stc.weight @layers.0.q_bias : tensor<32xf32> {value
// EXCLUDED: stc.weight @layers.0.up_bias : tensor<48xf32> {value
//--- some.yaml
version: 1
calibration: {text: text.ids, length: 16}
stages:
  - match: "*_bias"
  - match: "*"
    prune: 2:4
