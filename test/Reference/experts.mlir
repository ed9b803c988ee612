// RUN: stc-opt %s --stc-interpret=function=gates -o /dev/null | FileCheck %s --check-prefix=GATES
// RUN: stc-opt %s --stc-interpret=function=normalized -o /dev/null | FileCheck %s --check-prefix=NORMALIZED
// RUN: stc-opt %s --stc-interpret=function=expert -o /dev/null | FileCheck %s --check-prefix=EXPERT
// RUN: stc-opt %s --stc-interpret=function=unused -o /dev/null | FileCheck %s --check-prefix=UNUSED
// RUN: not stc-opt %s --stc-interpret=function=outside -o /dev/null 2>&1 | FileCheck %s --check-prefix=OUTSIDE

// exp(0), exp(1), exp(2) over their sum; of equal logits the first is chosen.
// GATES: 2x3
// GATES-NEXT: 0 0.244728471 0.665240956
// GATES-NEXT: 0.333333333 0.333333333 0
func.func @gates() -> tensor<2x3xf32> {
  %x = arith.constant dense<[[0., 1., 2.], [5., 5., 5.]]> : tensor<2x3xf32>
  %y = stc.top_k_gate %x k 2 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// 1 / (1 + e) and e / (1 + e).
// NORMALIZED: 1x3
// NORMALIZED-NEXT: 0 0.268941421 0.731058579
func.func @normalized() -> tensor<1x3xf32> {
  %x = arith.constant dense<[[0., 1., 2.]]> : tensor<1x3xf32>
  %y = stc.top_k_gate normalized %x k 2 : (tensor<1x3xf32>) -> tensor<1x3xf32>
  return %y : tensor<1x3xf32>
}

// Tokens 0 and 2 chose expert 1: 100 + 0.5 * 2 * 1, and 300 + 2 * 2 * 3. Token 1 did not.
// EXPERT: 3x1
// EXPERT-NEXT: 101
// EXPERT-NEXT: 200
// EXPERT-NEXT: 312
func.func @expert() -> tensor<?x1xf32> {
  %e = arith.constant 1 : index
  %x0 = arith.constant dense<[[1.], [2.], [3.]]> : tensor<3x1xf32>
  %s0 = arith.constant dense<[[100.], [200.], [300.]]> : tensor<3x1xf32>
  %g0 = arith.constant dense<[[0.5, 0.5], [1., 0.], [0., 2.]]> : tensor<3x2xf32>
  %x = tensor.cast %x0 : tensor<3x1xf32> to tensor<?x1xf32>
  %s = tensor.cast %s0 : tensor<3x1xf32> to tensor<?x1xf32>
  %g = tensor.cast %g0 : tensor<3x2xf32> to tensor<?x2xf32>
  %y = stc.expert %e of %g (%t = %x : tensor<?x1xf32>) add %s : tensor<?x2xf32>, tensor<?x1xf32> {
    %d = arith.addf %t, %t : tensor<?x1xf32>
    stc.yield %d : tensor<?x1xf32>
  }
  return %y : tensor<?x1xf32>
}

// Nobody chose it: what it adds to stays.
// UNUSED: 1x1
// UNUSED-NEXT: 7
func.func @unused() -> tensor<1x1xf32> {
  %e = arith.constant 0 : index
  %s = arith.constant dense<7.> : tensor<1x1xf32>
  %g = arith.constant dense<[[0., 1.]]> : tensor<1x2xf32>
  %y = stc.expert %e of %g (%t = %s : tensor<1x1xf32>) add %s : tensor<1x2xf32>, tensor<1x1xf32> {
    %d = arith.addf %t, %t : tensor<1x1xf32>
    stc.yield %d : tensor<1x1xf32>
  }
  return %y : tensor<1x1xf32>
}

// OUTSIDE: stc.expert: expected an index from 0 to 1, got 2
func.func @outside() -> tensor<1x1xf32> {
  %one = arith.constant 1 : index
  %e = arith.addi %one, %one : index
  %s = arith.constant dense<7.> : tensor<1x1xf32>
  %g = arith.constant dense<[[0., 1.]]> : tensor<1x2xf32>
  %y = stc.expert %e of %g (%t = %s : tensor<1x1xf32>) add %s : tensor<1x2xf32>, tensor<1x1xf32> {
    stc.yield %t : tensor<1x1xf32>
  }
  return %y : tensor<1x1xf32>
}
