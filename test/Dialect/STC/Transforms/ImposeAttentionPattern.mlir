// stc-impose-attention-pattern: layers of a model see what rules say.
// RUN: %python %S/Inputs/layered_model.py %t.mlir %t.ids
// RUN: stc-opt %t.mlir --stc-impose-attention-pattern='rules=layers.0=none;layers.1=window:5+2;*=strided:4 verbose' -o %t.rules.mlir 2> %t.remarks
// RUN: FileCheck %s --check-prefix=RULES < %t.rules.mlir
// RUN: FileCheck %s --check-prefix=REMARK < %t.remarks
// RULES: module attributes {stc.attention = "layers.0=none;layers.1=window:5+2;*=strided:4"}
// RULES: stc.layer 0
// RULES: stc.attention {{.*}} heads 4 scale 3.500000e-01 window 0 :
// RULES: stc.layer 1
// RULES: stc.attention {{.*}} heads 4 scale 3.500000e-01 window 5 sinks 2 :
// RULES: stc.layer 2
// RULES: stc.attention {{.*}} heads 4 scale 3.500000e-01 window 0 pattern "strided:4" :
// REMARK: remark: layers.1: attention sees window:5+2
// REMARK: remark: layers.2: attention sees strided:4

// Nothing happens for none, nor where it happened before; another time is an error.
// RUN: stc-opt %t.mlir -o %t.plain.mlir
// RUN: stc-opt %t.mlir --stc-impose-attention-pattern=rules=none -o - | diff %t.plain.mlir -
// RUN: stc-opt %t.rules.mlir --stc-impose-attention-pattern='rules=layers.0=none;layers.1=window:5+2;*=strided:4' -o - | diff %t.rules.mlir -
// RUN: not stc-opt %t.rules.mlir --stc-impose-attention-pattern='rules=strided:4' 2>&1 | FileCheck %s --check-prefix=TWICE
// TWICE: error: attention: expected a model without other patterns imposed, got "layers.0=none;

// Causal attention with global positions is a window with sinks.
// RUN: stc-opt %t.mlir --stc-impose-attention-pattern='rules=local:7+3' | FileCheck %s --check-prefix=LOCAL
// LOCAL-COUNT-3: window 7 sinks 3 :

// Of two windows the narrower stays; one that neither is inside the other cannot be said.
// RUN: sed 's/window 0/window 6 sinks 2/' %t.mlir > %t.window.mlir
// RUN: stc-opt %t.window.mlir --stc-impose-attention-pattern='rules=window:4' | FileCheck %s --check-prefix=NARROW
// RUN: stc-opt %t.window.mlir --stc-impose-attention-pattern='rules=window:9+3' | FileCheck %s --check-prefix=WIDE
// RUN: not stc-opt %t.window.mlir --stc-impose-attention-pattern='rules=window:4+3' 2>&1 | FileCheck %s --check-prefix=SINKS
// RUN: not stc-opt %t.window.mlir --stc-impose-attention-pattern='rules=window:9' 2>&1 | FileCheck %s --check-prefix=NOSINKS
// RUN: not stc-opt %t.window.mlir --stc-impose-attention-pattern='rules=strided:4' 2>&1 | FileCheck %s --check-prefix=WINDOW
// NARROW-COUNT-3: window 4 :
// WIDE-COUNT-3: window 6 sinks 2 :
// SINKS: error: attention: expected a narrower window with no more sinks than the 2 of layers.0, whose window is 6, got 4+3
// NOSINKS: error: attention: expected a narrower window with no more sinks than the 2 of layers.0, whose window is 6, got 9+0
// WINDOW: error: attention: expected window:KEYS for layers.0, which has a window of 6 (layers.N=none in front leaves layer N as it is), got strided:4

// A pattern of the model's own stays, and no other takes its place.
// RUN: sed 's/window 0/window 0 pattern "strided:4"/' %t.mlir > %t.own.mlir
// RUN: stc-opt %t.own.mlir --stc-impose-attention-pattern='rules=strided:4' | FileCheck %s --check-prefix=OWN
// RUN: not stc-opt %t.own.mlir --stc-impose-attention-pattern='rules=strided:5' 2>&1 | FileCheck %s --check-prefix=OTHER
// OWN-COUNT-3: pattern "strided:4"
// OTHER: error: attention: expected layers.0 without another pattern, got "strided:4"

// What is in the cache of another layer or function is not the layer's to hide.
// RUN: sed '/stc.cache_update/d' %t.mlir > %t.cross.mlir
// RUN: stc-opt %t.cross.mlir --stc-impose-attention-pattern='rules=strided:4' | FileCheck %s --check-prefix=CROSS
// CROSS-NOT: pattern "strided:4"

// Mistakes are named.
// RUN: not stc-opt %t.mlir --stc-impose-attention-pattern='rules=stride:4' 2>&1 | FileCheck %s --check-prefix=SPEC
// RUN: not stc-opt %t.mlir --stc-impose-attention-pattern='rules=layers.[=strided:4' 2>&1 | FileCheck %s --check-prefix=GLOB
// RUN: stc-opt %t.mlir --stc-impose-attention-pattern='rules=layer.1=strided:4' -o /dev/null 2>&1 | FileCheck %s --check-prefix=NEAREST
// SPEC: error: attention: expected none, window:KEYS {{.*}}, got stride:4
// GLOB: error: attention: expected a pattern of layer names (layers.0) before =, got
// NEAREST: warning: attention: 'layer.1' matches no layer; the nearest is layers.1

// The whole way down agrees with the graph, for tables too; a recipe and calibration follow as well.
// RUN: stc-opt %t.mlir --stc-impose-attention-pattern='rules=layers.0=bigbird:16x1+1+1@3;*=dilated:3x2' --stc-interpret='tokens=1,30,7,7,12,0,5,9,3,3,21,8,2,17,4,6,11,29,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19 all max=32' -o /dev/null > %t.graph
// RUN: stc-opt %t.mlir --stc-to-packed='attention=layers.0=bigbird:16x1+1+1@3;*=dilated:3x2' --stc-interpret='tokens=1,30,7,7,12,0,5,9,3,3,21,8,2,17,4,6,11,29,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19 all max=32' -o /dev/null > %t.packed
// RUN: %python %S/Inputs/compare_logits.py %t.graph %t.packed 1e-6
// RUN: stc-opt %t.mlir --stc-interpret='tokens=1,30,7,7,12,0,5,9,3,3,21,8,2,17,4,6,11,29,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19 all max=32' -o /dev/null > %t.whole
// RUN: not diff %t.graph %t.whole
// RUN: echo 'version: 1' > %t.yaml
// RUN: echo 'attention: strided:4' >> %t.yaml
// RUN: echo 'stages: [{match: "*", quantize: int8}]' >> %t.yaml
// RUN: stc-opt %t.mlir --stc-compress-layers=recipe=%t.yaml | FileCheck %s --check-prefix=OWN
// RUN: stc-opt %t.mlir --stc-impose-attention-pattern='rules=strided:4' --stc-measure-divergence='length=16 text=%t.ids' -o /dev/null 2>&1 | FileCheck %s --check-prefix=SELF
// SELF: KL 0.000000
// RUN: stc-opt %t.mlir --stc-impose-attention-pattern='rules=dilated:2x3' --stc-measure-divergence='length=16 text=%t.ids reference=%t.mlir' -o /dev/null 2>&1 | FileCheck %s --check-prefix=COST
// COST: KL 0.{{[1-9]}}
