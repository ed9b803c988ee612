// The experts that stay are those whose matrices are largest, by the product of their squared norms;
// the router loses the rows of the others, and indices follow each other.
// RUN: stc-opt %s --stc-prune-structure='experts=0.34 verbose=true' 2>&1 | FileCheck %s
// RUN: not stc-opt %s --stc-prune-structure='experts=0.9' 2>&1 | FileCheck %s --check-prefix=FEW
// RUN: not stc-opt %s --stc-prune-structure='experts=0.1' 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not stc-opt %s --stc-prune-structure='experts=0.34 exclude=e0' 2>&1 | FileCheck %s --check-prefix=EXCLUDED

// FEW: error: experts: expected a share that leaves the 2 experts that each token goes through, got 0.9, which leaves 1
// NONE: error: experts: expected a share that takes one of 3 experts at least and leaves one, got 0.1
// EXCLUDED: error: experts: expected layers with experts that can be cut, got none

// CHECK: remark: layer 0: 2 of 3 experts
// CHECK: stc.weight @router : tensor<2x2xf32>
// CHECK-SAME: slice = #stc.slice<of = [3, 2], rows = [0, 1, 2, 3]>
// CHECK: stc.weight @e0
// CHECK-NOT: stc.weight @e1
// CHECK: stc.weight @e2
stc.weight @router : tensor<3x2xf32> {value = dense<1.0> : tensor<3x2xf32>}
stc.weight @e0 : tensor<2x2xf32> {value = dense<2.0> : tensor<2x2xf32>}
stc.weight @e1 : tensor<2x2xf32> {value = dense<1.0> : tensor<2x2xf32>}
stc.weight @e2 : tensor<2x2xf32> {value = dense<-3.0> : tensor<2x2xf32>}

// CHECK-LABEL: func.func @forward
// CHECK: %[[G:.*]] = stc.top_k_gate normalized %{{.*}} k 2 : (tensor<?x2xf32>) -> tensor<?x2xf32>
// CHECK: %[[A:.*]] = stc.expert %[[ZERO:.*]] of %[[G]] ({{.*}}) add %[[H:.*]] : tensor<?x2xf32>, tensor<?x2xf32>
// CHECK: stc.get_weight @e0
// CHECK: stc.expert %[[ONE:.*]] of %[[G]] ({{.*}}) add %[[A]] : tensor<?x2xf32>, tensor<?x2xf32>
// CHECK: stc.get_weight @e2
func.func @forward(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %0 = stc.layer 0 (%h = %x : tensor<?x2xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %r = stc.get_weight @router : tensor<3x2xf32>
    %l = stc.linear %h, %r : (tensor<?x2xf32>, tensor<3x2xf32>) -> tensor<?x3xf32>
    %g = stc.top_k_gate normalized %l k 2 : (tensor<?x3xf32>) -> tensor<?x3xf32>
    %a = stc.expert %c0 of %g (%t = %h : tensor<?x2xf32>) add %h : tensor<?x3xf32>, tensor<?x2xf32> {
      %w = stc.get_weight @e0 : tensor<2x2xf32>
      %y = stc.linear %t, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
      stc.yield %y : tensor<?x2xf32>
    }
    %b = stc.expert %c1 of %g (%t = %h : tensor<?x2xf32>) add %a : tensor<?x3xf32>, tensor<?x2xf32> {
      %w = stc.get_weight @e1 : tensor<2x2xf32>
      %y = stc.linear %t, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
      stc.yield %y : tensor<?x2xf32>
    }
    %c = stc.expert %c2 of %g (%t = %h : tensor<?x2xf32>) add %b : tensor<?x3xf32>, tensor<?x2xf32> {
      %w = stc.get_weight @e2 : tensor<2x2xf32>
      %y = stc.linear %t, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
      stc.yield %y : tensor<?x2xf32>
    }
    stc.yield %c : tensor<?x2xf32>
  }
  return %0 : tensor<?x2xf32>
}
