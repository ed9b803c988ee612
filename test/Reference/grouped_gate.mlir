// RUN: stc-opt %s --stc-interpret=function=grouped -o /dev/null | FileCheck %s --check-prefix=GROUPED
// RUN: stc-opt %s --stc-interpret=function=packed -o /dev/null | FileCheck %s --check-prefix=GROUPED
// RUN: stc-opt %s --stc-interpret=function=best -o /dev/null | FileCheck %s --check-prefix=BEST
// RUN: stc-opt %s --stc-interpret=function=corrected -o /dev/null | FileCheck %s --check-prefix=CORRECTED

// Sums of groups: 0.5, 1, 0.8125. Of the latter two groups the first is taken, and of the two equal
// scores the one of lower index; their sum is 1. The 0.5 of group 0 does not count.
// GROUPED: 1x6
// GROUPED-NEXT: 0 0 1.125 0.875 0 0
func.func @grouped() -> tensor<1x6xf32> {
  %s = arith.constant dense<[[0.5, 0.0, 0.5625, 0.4375, 0.4375, 0.375]]> : tensor<1x6xf32>
  %g = stc.grouped_gate normalized %s k 2 groups 3 kept 2 best 2 scale 2.0
      : (tensor<1x6xf32>) -> tensor<1x6xf32>
  return %g : tensor<1x6xf32>
}
func.func @packed() -> tensor<1x6xf32> {
  %s = arith.constant dense<[[0.5, 0.0, 0.5625, 0.4375, 0.4375, 0.375]]> : tensor<1x6xf32>
  %g0 = tensor.empty() : tensor<1x6xf32>
  %g = packed.grouped_gate normalized ins(%s : tensor<1x6xf32>) outs(%g0 : tensor<1x6xf32>)
      k 2 groups 3 kept 2 best 2 scale 2.0 -> tensor<1x6xf32>
  return %g : tensor<1x6xf32>
}

// By their best, groups 1 and 0 stay.
// BEST: 1x6
// BEST-NEXT: 0.5 0 0.5625 0 0 0
func.func @best() -> tensor<1x6xf32> {
  %s = arith.constant dense<[[0.5, 0.0, 0.5625, 0.4375, 0.4375, 0.375]]> : tensor<1x6xf32>
  %g = stc.grouped_gate %s k 2 groups 3 kept 2 best 1 scale 1.0 : (tensor<1x6xf32>) -> tensor<1x6xf32>
  return %g : tensor<1x6xf32>
}

// A correction says what is chosen, not what it weighs.
// CORRECTED: 1x3
// CORRECTED-NEXT: 0 0.75 0.25
func.func @corrected() -> tensor<1x3xf32> {
  %s = arith.constant dense<[[0.5, 0.375, 0.125]]> : tensor<1x3xf32>
  %b = arith.constant dense<[-1.0, 0.0, 0.5]> : tensor<3xf32>
  %g = stc.grouped_gate normalized %s correction %b k 2 groups 1 kept 1 best 1 scale 1.0
      : (tensor<1x3xf32>, tensor<3xf32>) -> tensor<1x3xf32>
  return %g : tensor<1x3xf32>
}
