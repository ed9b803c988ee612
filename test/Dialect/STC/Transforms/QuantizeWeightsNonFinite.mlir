// RUN: not stc-opt %s --stc-quantize=spec=int8 2>&1 | FileCheck %s
// RUN: not stc-opt %s --stc-prune=spec=2:4 --mlir-disable-threading 2>&1 | FileCheck %s

// CHECK: error: @w: expected finite values, got nan at element 5
// CHECK-NOT: error
stc.weight @v : tensor<2x4xf32> {value = dense<1.0> : tensor<2x4xf32>}
stc.weight @w : tensor<2x4xf32> {value = dense<[[1.0, 2.0, 3.0, 4.0], [1.0, 0x7FC00000, 3.0, 4.0]]>
                                         : tensor<2x4xf32>}
stc.weight @x : tensor<2x4xf32> {value = dense<0x7F800000> : tensor<2x4xf32>}
func.func @f(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %v = stc.get_weight @v : tensor<2x4xf32>
  %w = stc.get_weight @w : tensor<2x4xf32>
  %u = stc.get_weight @x : tensor<2x4xf32>
  %y = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %a = stc.linear %x, %v : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
    %b = stc.linear %x, %w : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
    %c = stc.linear %x, %u : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
    stc.yield %x : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}
