// RUN: stc-opt %s --stc-prune=spec=2:4 | FileCheck %s
// RUN: stc-opt %s --stc-prune=spec=none | FileCheck %s --check-prefix=NONE
// RUN: stc-opt %s --stc-prune=spec=2:4 --stc-interpret=function=read | FileCheck %s --check-prefix=VALUES

// NONE-NOT: #stc.prune

// Only what linear operations inside layers multiply with is pruned.

// CHECK: stc.weight @table
// CHECK-NOT: prune
// CHECK: stc.weight @norm
// CHECK-NOT: prune
// CHECK: stc.weight @bias
// CHECK-NOT: prune
// CHECK: stc.weight @inside
// CHECK-SAME: prune = #stc.prune<"magnitude:2:4", density = 5.000000e-01 : f64>
// CHECK: stc.weight @shared
// CHECK-NOT: prune
// CHECK: stc.weight @outside
// CHECK-NOT: prune
// CHECK: stc.weight @unused
// CHECK-NOT: prune
// CHECK: func.func @f
stc.weight @table : tensor<8x4xf32> {value = dense<1.0> : tensor<8x4xf32>}
stc.weight @norm : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @bias : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @inside : tensor<4x4xf32> {value = dense<[[1.0, -2.0, 3.0, -4.0], [4.0, -3.0, 2.0, -1.0],
                                                     [0.5, 0.0, 0.25, 0.0], [1.0, 1.0, 1.0, 1.0]]>
                                              : tensor<4x4xf32>}
stc.weight @shared : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @outside : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @unused : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
func.func @f(%tokens: tensor<?xi32>) -> tensor<?x4xf32> {
  %table = stc.get_weight @table : tensor<8x4xf32>
  %norm = stc.get_weight @norm : tensor<4xf32>
  %bias = stc.get_weight @bias : tensor<4xf32>
  %inside = stc.get_weight @inside : tensor<4x4xf32>
  %shared = stc.get_weight @shared : tensor<4x4xf32>
  %outside = stc.get_weight @outside : tensor<4x4xf32>
  %h = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %y = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %n = stc.rms_norm %x, %norm epsilon 1.0e-05
        : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %a = stc.linear %n, %inside bias %bias
        : (tensor<?x4xf32>, tensor<4x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %b = stc.linear %a, %shared : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    stc.yield %b : tensor<?x4xf32>
  }
  %z = stc.linear %y, %shared : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %r = stc.linear %z, %outside : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// Removed weights read as zero; ties keep the lower columns. (The product with the identity is the
// transposed matrix.)

// VALUES: {{^}}4x4
// VALUES-NEXT: 0 4 0.5 1
// VALUES-NEXT: 0 -3 0 1
// VALUES-NEXT: 3 0 0.25 0
// VALUES-NEXT: -4 0 0 0
func.func @read() -> tensor<4x4xf32> {
  %inside = stc.get_weight @inside : tensor<4x4xf32>
  %identity = arith.constant dense<[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0],
                                    [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]> : tensor<4x4xf32>
  %y = stc.layer 1 (%x = %identity : tensor<4x4xf32>) {
    %t = stc.linear %x, %inside : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    stc.yield %t : tensor<4x4xf32>
  }
  return %y : tensor<4x4xf32>
}
