// RUN: stc-opt %s --stc-approximate-math=target=x86-64-v3 | FileCheck %s
// RUN: stc-opt %s --stc-approximate-math=target=x86-64-v2 | FileCheck %s --check-prefix=SPLIT
// RUN: not stc-opt %s --stc-approximate-math=target=z80 2>&1 | FileCheck %s --check-prefix=TARGET

// TARGET: error: {{.*}}z80
// SPLIT-NOT: math.fma

// CHECK-LABEL: func.func @single
// CHECK-NOT: math.exp
// CHECK-NOT: math.erf
// CHECK-NOT: math.tanh
// CHECK: math.fma {{.*}} : vector<16xf32>
// CHECK-NOT: math.exp
// CHECK-NOT: math.erf
// CHECK-NOT: math.tanh
// CHECK: return
func.func @single(%x: vector<16xf32>, %y: f32) -> (vector<16xf32>, vector<16xf32>, f32, f32) {
  %a = math.exp %x : vector<16xf32>
  %b = math.erf %x : vector<16xf32>
  %c = math.tanh %y : f32
  %d = math.exp %y : f32
  return %a, %b, %c, %d : vector<16xf32>, vector<16xf32>, f32, f32
}

// Angles keep the library's accuracy; a square root is an instruction.

// CHECK-LABEL: func.func @kept
// CHECK: math.cos
// CHECK: math.sin
// CHECK: math.sqrt
func.func @kept(%x: f64, %y: f32) -> (f64, f64, f32) {
  %a = math.cos %x : f64
  %b = math.sin %x : f64
  %c = math.sqrt %y : f32
  return %a, %b, %c : f64, f64, f32
}
