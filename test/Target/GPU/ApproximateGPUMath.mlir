// RUN: stc-opt %s --stc-approximate-gpu-math | FileCheck %s
// RUN: stc-opt %s --stc-approximate-gpu-math --convert-scf-to-cf --convert-to-llvm \
// RUN:   --reconcile-unrealized-casts \
// RUN:   | mlir-runner --entry-point-result=i32 -e main \
// RUN:   | FileCheck %s --check-prefix=JIT

// No library is called for angles; functions of f32 become polynomials.

// CHECK-LABEL: func.func @angles
// CHECK-NOT: math.sin
// CHECK-NOT: math.cos
// CHECK: math.fma {{.*}} : f64
func.func @angles(%x: f64) -> (f64, f64) {
  %s = math.sin %x : f64
  %c = math.cos %x : f64
  return %s, %c : f64, f64
}

// CHECK-LABEL: func.func @functions
// CHECK-NOT: math.{{exp|erf|tanh}}
// CHECK: return
func.func @functions(%x: vector<16xf32>, %y: f32) -> (vector<16xf32>, f32, f32) {
  %e = math.exp %x : vector<16xf32>
  %f = math.erf %y : f32
  %t = math.tanh %y : f32
  return %e, %f, %t : vector<16xf32>, f32, f32
}

// Angles of rotary embeddings: positions up to 131072 times 64 frequencies from 1 to 1e-6, negative
// ones too. The result is how many of both functions' values are within 1e-11 of the C library's.

// JIT: 453632
func.func private @sin(f64) -> f64
func.func private @cos(f64) -> f64

func.func @isClose(%a: f64, %b: f64) -> i32 {
  %bound = arith.constant 1.0e-11 : f64
  %difference = arith.subf %a, %b : f64
  %distance = math.absf %difference : f64
  %is = arith.cmpf ole, %distance, %bound : f64
  %number = arith.extui %is : i1 to i32
  return %number : i32
}

func.func @main() -> i32 {
  %c0 = arith.constant 0 : index
  %c37 = arith.constant 37 : index
  %c64 = arith.constant 64 : index
  %c1 = arith.constant 1 : index
  %end = arith.constant 131100 : index
  %zero = arith.constant 0 : i32
  %one = arith.constant 1.0 : f64
  // 1e-6 to the power of 1 / 64, and a sign in turn.
  %factor = arith.constant -0.80584218776148 : f64
  %count = scf.for %i = %c0 to %end step %c37 iter_args(%sum = %zero) -> i32 {
    %integer = arith.index_cast %i : index to i64
    %position = arith.sitofp %integer : i64 to f64
    %inner:2 = scf.for %j = %c0 to %c64 step %c1 iter_args(%part = %sum, %f = %one) -> (i32, f64) {
      %angle = arith.mulf %position, %f : f64
      %s, %c = func.call @angles(%angle) : (f64) -> (f64, f64)
      %s0 = func.call @sin(%angle) : (f64) -> f64
      %c0_0 = func.call @cos(%angle) : (f64) -> f64
      %a = func.call @isClose(%s, %s0) : (f64, f64) -> i32
      %b = func.call @isClose(%c, %c0_0) : (f64, f64) -> i32
      %both = arith.addi %a, %b : i32
      %next = arith.addi %part, %both : i32
      %g = arith.mulf %f, %factor : f64
      scf.yield %next, %g : i32, f64
    }
    scf.yield %inner#0 : i32
  }
  return %count : i32
}
