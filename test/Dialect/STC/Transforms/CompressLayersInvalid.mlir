// stc-compress-layers: one line for what it cannot do.
// RUN: %python %S/Inputs/calibrated_model.py %t.mlir %t.ids
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=1 prune=2:4' 2>&1 | FileCheck %s --check-prefix=LENGTH
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids damping=0 prune=2:4' 2>&1 | FileCheck %s --check-prefix=LENGTH
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%t.none.ids length=16 prune=2:4' 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%s length=16 prune=2:4' 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=2000 prune=2:4' 2>&1 | FileCheck %s --check-prefix=SHORT
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids prune=obc:2:4' 2>&1 | FileCheck %s --check-prefix=METHOD
// RUN: not stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids quantize=int4 smooth=2' 2>&1 | FileCheck %s --check-prefix=LENGTH
// RUN: stc-opt %t.mlir --stc-compress-layers='calibrate=%t.ids length=16 quantize=rtn:int4' -o %t.out.mlir
// RUN: not stc-opt %t.out.mlir --stc-measure-divergence='length=16 text=%t.ids' 2>&1 | FileCheck %s --check-prefix=LOST

// LENGTH: error: stc-compress-layers: expects length of at least 2
// FILE: none.ids: expected a readable regular file
// TEXT: expected a file of token ids (.ids), as the model has no tokenizer
// SHORT: expected at least 2000 tokens to calibrate on, got 1024
// METHOD: error: {{.*}}prune: expected
// LOST: @layers.0.q: expected a weight compressed in this process, got one marked calibrated, which takes calibration data
