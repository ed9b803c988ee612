// RUN: stc-opt %s --split-input-file --verify-diagnostics --stc-expand-narrow-floats --canonicalize | FileCheck %s

// An f16's exponent and mantissa are moved to their places in an f32, which is then 2^112 too small.

// CHECK-LABEL: func.func @half
// CHECK-NOT: arith.extf
// CHECK: arith.bitcast %{{.*}} : f16 to i16
// CHECK: arith.mulf {{.*}} : f32
// CHECK-NOT: arith.extf
func.func @half(%x: f16) -> f32 {
  %wide = arith.extf %x : f16 to f32
  return %wide : f32
}

// CHECK-LABEL: func.func @brain
// CHECK: arith.bitcast %{{.*}} : vector<4xbf16> to vector<4xi16>
// CHECK: arith.shli {{.*}} : vector<4xi32>
// CHECK-NOT: arith.extf
func.func @brain(%x: vector<4xbf16>) -> vector<4xf32> {
  %wide = arith.extf %x : vector<4xbf16> to vector<4xf32>
  return %wide : vector<4xf32>
}

// CHECK-LABEL: func.func @narrow
// CHECK-NOT: arith.truncf
// CHECK: arith.trunci {{.*}} : i32 to i16
// CHECK: arith.bitcast %{{.*}} : i16 to f16
func.func @narrow(%x: f32) -> f16 {
  %half = arith.truncf %x : f32 to f16
  return %half : f16
}

// Of wider floats nothing changes.

// CHECK-LABEL: func.func @wide
// CHECK: arith.extf
func.func @wide(%x: f32) -> f64 {
  %wide = arith.extf %x : f32 to f64
  return %wide : f64
}

// -----

func.func @brain_of_float(%x: f32) -> bf16 {
  // expected-error @below {{expects f16 or bf16 to f32, or f32 to f16}}
  %narrow = arith.truncf %x : f32 to bf16
  return %narrow : bf16
}
