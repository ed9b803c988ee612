// RUN: stc-opt %s --stc-share-experts | FileCheck %s
// RUN: stc-opt %s --stc-share-experts --stc-share-layers | FileCheck %s --check-prefix=LAYERS

// Three equal experts of each layer, in two layers: one function; the third of layer 1 is another.
stc.weight @l0.e0 : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @l0.e1 : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @l1.e0 : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @l1.e1 : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}

// CHECK-LABEL: func.func @forward
// CHECK: stc.layer 0 (%[[H:.*]] = %
// CHECK: %[[G:.*]] = stc.top_k_gate %[[H]] k 1
// CHECK-NOT: stc.expert
// CHECK: stc.repeat @forward_expert(%[[H]]) captures(%[[H]], %[[G]] : tensor<?x4xf32>, tensor<?x4xf32>) first 0
// CHECK-SAME: weights {{\[\[}}@l0.e0], [@l0.e1]]
// CHECK: stc.layer 1
// CHECK: stc.repeat @forward_expert
// CHECK-SAME: weights {{\[\[}}@l1.e0], [@l1.e1]]
// CHECK: %[[D:.*]] = stc.repeat @forward_expert_{{[0-9]+}}(
// CHECK-SAME: first 2 weights {{\[\[}}@l1.e0]]

// CHECK: func.func private @forward_expert{{(_[0-9]+)?}}(
// CHECK-LABEL: func.func private @forward_expert(
// CHECK-SAME: %[[S:[^:]*]]: tensor<?x4xf32>, %[[E:[^:]*]]: index, %[[X:[^:]*]]: tensor<?x4xf32>, %[[G:[^:]*]]: tensor<?x4xf32>, %[[W:[^:]*]]: tensor<4x4xf32>)
// CHECK-NEXT: %[[Y:.*]] = stc.expert %[[E]] of %[[G]] (%[[T:.*]] = %[[X]] : tensor<?x4xf32>) add %[[S]]
// CHECK-NEXT: %[[A:.*]] = stc.linear %[[T]], %[[W]]
// CHECK-NEXT: stc.yield %[[A]]
// CHECK: return %[[Y]]

// The two layers are not equal. See the module below for those that are.
// LAYERS-LABEL: func.func @forward
// LAYERS: stc.repeat @forward_layer
// LAYERS: stc.repeat @forward_layer_
func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = stc.layer 0 (%h = %x : tensor<?x4xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %g = stc.top_k_gate %h k 1 : (tensor<?x4xf32>) -> tensor<?x4xf32>
    %a = stc.expert %c0 of %g (%t = %h : tensor<?x4xf32>) add %h : tensor<?x4xf32>, tensor<?x4xf32> {
      %w = stc.get_weight @l0.e0 : tensor<4x4xf32>
      %y = stc.linear %t, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
      stc.yield %y : tensor<?x4xf32>
    }
    %b = stc.expert %c1 of %g (%t = %h : tensor<?x4xf32>) add %a : tensor<?x4xf32>, tensor<?x4xf32> {
      %w = stc.get_weight @l0.e1 : tensor<4x4xf32>
      %y = stc.linear %t, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
      stc.yield %y : tensor<?x4xf32>
    }
    stc.yield %b : tensor<?x4xf32>
  }
  %1 = stc.layer 1 (%h = %0 : tensor<?x4xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %g = stc.top_k_gate %h k 1 : (tensor<?x4xf32>) -> tensor<?x4xf32>
    %a = stc.expert %c0 of %g (%t = %h : tensor<?x4xf32>) add %h : tensor<?x4xf32>, tensor<?x4xf32> {
      %w = stc.get_weight @l1.e0 : tensor<4x4xf32>
      %y = stc.linear %t, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
      stc.yield %y : tensor<?x4xf32>
    }
    %b = stc.expert %c1 of %g (%t = %h : tensor<?x4xf32>) add %a : tensor<?x4xf32>, tensor<?x4xf32> {
      %w = stc.get_weight @l1.e1 : tensor<4x4xf32>
      %y = stc.linear %t, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
      stc.yield %y : tensor<?x4xf32>
    }
    %d = stc.expert %c2 of %g (%t = %h : tensor<?x4xf32>) add %b : tensor<?x4xf32>, tensor<?x4xf32> {
      %w = stc.get_weight @l1.e0 : tensor<4x4xf32>
      %y = stc.linear %t, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
      %z = arith.addf %y, %t : tensor<?x4xf32>
      stc.yield %z : tensor<?x4xf32>
    }
    stc.yield %d : tensor<?x4xf32>
  }
  return %1 : tensor<?x4xf32>
}
