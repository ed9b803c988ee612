// stc-prune-structure: one line for what it cannot do.
// RUN: %python %S/Inputs/layered_model.py %t.mlir %t.ids
// RUN: not stc-opt %t.mlir --stc-prune-structure='channels=1' 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not stc-opt %t.mlir --stc-prune-structure='channels=nan' 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not stc-opt %t.mlir --stc-prune-structure='heads=-0.5' 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not stc-opt %t.mlir --stc-prune-structure='channels=0.5 multiple=0' 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not stc-opt %t.mlir --stc-prune-structure='layers=1' 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: not stc-opt %t.mlir --stc-prune-structure='calibrate=%t.none.ids layers=1' 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: not stc-opt %t.mlir --stc-prune-structure='calibrate=%t.ids length=16 layers=3' 2>&1 | FileCheck %s --check-prefix=LAYERS
// RUN: not stc-opt %t.mlir --stc-prune-structure='calibrate=%t.ids length=16 layers=2 exclude=layers.0.up,layers.1.o' 2>&1 | FileCheck %s --check-prefix=EXCLUDED
// RUN: not stc-opt %t.mlir --stc-prune-structure='channels=0.01' 2>&1 | FileCheck %s --check-prefix=CHANNELS
// RUN: not stc-opt %t.mlir --stc-prune-structure='channels=0.5 exclude=*.up' 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not stc-opt %t.mlir --stc-prune-structure='groups=0.2' 2>&1 | FileCheck %s --check-prefix=GROUPS
// RUN: not stc-opt %t.mlir --stc-prune-structure='groups=0.5 exclude=layers.1.k' 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: not stc-opt %t.mlir --stc-prune-structure='heads=0.2' 2>&1 | FileCheck %s --check-prefix=HEADS
// RUN: not stc-opt %t.mlir --stc-prune-structure='heads=0.5 exclude=*.q' 2>&1 | FileCheck %s --check-prefix=NOHEADS
// RUN: not stc-opt %t.mlir --stc-prune=spec=2:4 --stc-prune-structure='channels=0.5' 2>&1 | FileCheck %s --check-prefix=ORDER
// RUN: not stc-opt %s --stc-prune-structure='channels=0.5' 2>&1 | FileCheck %s --check-prefix=FORWARD
// RUN: stc-opt %t.mlir --stc-prune-structure='calibrate=%t.ids length=16 channels=0.33' -o %t.out.mlir
// RUN: not stc-opt %t.out.mlir --stc-quantize=spec=int8 2>&1 | FileCheck %s --check-prefix=LOST
// RUN: not stc-opt %t.mlir --stc-measure-divergence='length=16 text=%t.ids reference=%t.none.mlir' 2>&1 | FileCheck %s --check-prefix=REFERENCE
// RUN: not stc-opt %t.mlir --stc-measure-divergence='length=16 text=%t.ids reference=%t.ids' 2>&1 | FileCheck %s --check-prefix=REFERENCE

// RANGE: error: stc-prune-structure: expects channels, groups, heads and experts in [0, 1)
// TEXT: error: stc-prune-structure: layers expects a text to calibrate on, got none
// FILE: none.ids: expected a readable regular file
// LAYERS: error: layers: expected at most 2 of 3 layers to remove, got 3
// EXCLUDED: error: layers: expected at most 1 of 3 layers to remove, got 2
// CHANNELS: error: channels: expected a share that takes some of 144 channels and leaves a multiple of 16 in each layer, got 0.01
// NONE: error: channels: expected layers with feed-forward channels that can be cut (those of experts cannot), got none
// GROUPS: error: groups: expected a share that takes one of 2 key/value heads at least and leaves one, got 0.2
// SHAPE: error: groups: expected attention that can be cut in every layer, as all have one cache, got another in layer 1
// HEADS: error: heads: expected a share that takes one of 2 query heads of a group at least and leaves one, got 0.2
// NOHEADS: error: heads: expected layers with attention that can be cut, got none
// ORDER: error: expected weights that are neither pruned nor quantized before structure is, got @layers.0.q
// FORWARD: error: stc-prune-structure: expects a function @forward of one block
// LOST: @layers.0.down: expected a weight compressed in this process, got one marked calibrated, which takes calibration data
// REFERENCE: expected a file of stc's IR, got one that cannot be read
