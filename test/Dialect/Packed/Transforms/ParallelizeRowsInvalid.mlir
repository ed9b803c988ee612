// RUN: stc-opt %s --packed-parallelize-rows --split-input-file --verify-diagnostics
// RUN: not stc-opt %s --packed-parallelize-rows=split-columns=0 --split-input-file 2>&1 | FileCheck %s

// CHECK: expects split-columns of at least 1, but got 0

func.func @matmul(%a: memref<4x4xf32>, %c: memref<4x4xf32>) {
  // expected-error @below {{expects a parallel loop over rows and at most one over columns}}
  linalg.matmul ins(%a, %a : memref<4x4xf32>, memref<4x4xf32>) outs(%c : memref<4x4xf32>)
  return
}

// -----

func.func @transposed(%a: memref<4x4xf32>, %c: memref<4x4xf32>) {
  // expected-error @below {{expects a parallel loop over rows and at most one over columns}}
  linalg.transpose ins(%a : memref<4x4xf32>) outs(%c : memref<4x4xf32>) permutation = [1, 0]
  return
}
