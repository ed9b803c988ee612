// RUN: stc-opt %s --stc-prune=spec=0.75 | FileCheck %s --check-prefix=RATIO
// RUN: stc-opt %s --stc-prune=spec=magnitude:4:8 | FileCheck %s --check-prefix=NM
// RUN: stc-opt %s --stc-prune=spec=block2x4:0.5 | FileCheck %s --check-prefix=BLOCK
// RUN: stc-opt %s --stc-prune='spec=0.75 exclude=*.up,nothing*' 2>&1 | FileCheck %s --check-prefix=EXCLUDE
// RUN: stc-opt %s --stc-prune='spec=0.5 exclude=*.up' --stc-prune=spec=0.75 | FileCheck %s --check-prefix=FIRST
// RUN: not stc-opt %s --stc-prune=spec=3:2 2>&1 | FileCheck %s --check-prefix=SPEC
// RUN: not stc-opt %s --stc-prune=spec=wanda:2:4 2>&1 | FileCheck %s --check-prefix=METHOD
// RUN: not stc-opt %s --stc-prune='spec=2:4 exclude=[' 2>&1 | FileCheck %s --check-prefix=GLOB

// RATIO: @a.up {{.*}}prune = #stc.prune<"magnitude:0.75", density = 2.500000e-01 : f64>
// RATIO: @a.down {{.*}}prune = #stc.prune<"magnitude:0.75", density = 2.500000e-01 : f64>
// NM: @a.up {{.*}}prune = #stc.prune<"magnitude:4:8", density = 5.000000e-01 : f64>
// BLOCK: @a.up {{.*}}prune = #stc.prune<"magnitude:block2x4:0.5", density = 5.000000e-01 : f64>

// EXCLUDE: warning: exclude: 'nothing*' matches no weight; the nearest is a.{{up|down}}
// EXCLUDE: stc.weight @a.up
// EXCLUDE-NOT: prune
// EXCLUDE: stc.weight @a.down
// EXCLUDE-SAME: prune

// FIRST: @a.up {{.*}}density = 2.500000e-01
// FIRST: @a.down {{.*}}density = 5.000000e-01

// SPEC: error: {{.*}}3:2
// SPEC-NOT: error
// METHOD: error: prune: the method wanda needs --calibrate TEXT
// METHOD-NOT: error
// GLOB: error: exclude: expected a glob pattern, got '['
// GLOB-NOT: error
stc.weight @a.up : tensor<4x8xf32> {value = dense<1.0> : tensor<4x8xf32>}
stc.weight @a.down : tensor<8x4xf32> {value = dense<1.0> : tensor<8x4xf32>}
func.func @f(%h: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %up = stc.get_weight @a.up : tensor<4x8xf32>
  %down = stc.get_weight @a.down : tensor<8x4xf32>
  %y = stc.layer 0 (%x = %h : tensor<?x8xf32>) {
    %a = stc.linear %x, %up : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
    %b = stc.linear %a, %down : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    stc.yield %b : tensor<?x8xf32>
  }
  return %y : tensor<?x8xf32>
}
