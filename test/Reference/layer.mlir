// stc.layer, stc.yield and stc.repeat: layers in place and layers that share a function.
// RUN: stc-opt %s --stc-interpret=function=layer -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-interpret=function=repeat -o /dev/null | FileCheck %s --check-prefix=REPEAT

// CHECK: 1x2
// CHECK-NEXT: 4 8
func.func @layer() -> tensor<1x2xf32> {
  %x = arith.constant dense<[[1., 2.]]> : tensor<1x2xf32>
  %y = stc.layer 0 (%h = %x : tensor<1x2xf32>) {
    %s = arith.addf %h, %h : tensor<1x2xf32>
    stc.yield %s : tensor<1x2xf32>
  }
  %z = stc.layer 1 (%h = %y : tensor<1x2xf32>) {
    %s = arith.addf %h, %y : tensor<1x2xf32>
    stc.yield %s : tensor<1x2xf32>
  }
  return %z : tensor<1x2xf32>
}

stc.weight @a.0 : tensor<2x2xf32> {value = dense<[[0., 1.], [1., 0.]]> : tensor<2x2xf32>}
stc.weight @a.1 : tensor<2x2xf32> {value = dense<[[10., 0.], [0., 100.]]> : tensor<2x2xf32>}

// The position of the table is the layer's index: its angles are 0, then index.
func.func private @body(%h: tensor<1x2xf32>, %layer: index, %tokens: tensor<1xi32>,
                        %w: tensor<2x2xf32>) -> tensor<1x2xf32> {
  %y = stc.linear %h, %w : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %cos, %sin = stc.rotary_table %tokens, %layer frequencies [0.0, 1.0]
      : (tensor<1xi32>, index) -> (tensor<1x2xf32>, tensor<1x2xf32>)
  %z = arith.addf %y, %cos : tensor<1x2xf32>
  return %z : tensor<1x2xf32>
}

// Layer 0: (1, 2) swapped is (2, 1), plus (cos 0, cos 0) is (3, 2).
// Layer 1: (30, 200) plus (1, cos 1).
// REPEAT: 1x2
// REPEAT-NEXT: 31 200.540302
func.func @repeat() -> tensor<1x2xf32> {
  %tokens = arith.constant dense<0> : tensor<1xi32>
  %x = arith.constant dense<[[1., 2.]]> : tensor<1x2xf32>
  %y = stc.repeat @body(%x) captures(%tokens : tensor<1xi32>) first 0
      weights [[@a.0], [@a.1]] : tensor<1x2xf32>
  return %y : tensor<1x2xf32>
}
