// RUN: stc-opt %s --packed-select-block-config=target=nvptx-sm_90 | FileCheck %s
// RUN: not stc-opt %s --packed-select-block-config=target=nvptx-sm_10 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: --target: expected nvptx-sm_80, nvptx-sm_86, nvptx-sm_89, nvptx-sm_90, {{.*}}, got nvptx-sm_10

// One token: tiles go round the blocks one by one. Many: every multiprocessor gets a piece.
// CHECK-LABEL: @one
// CHECK: packed.matmul {{.*}} config <tokens = 1, accumulators = 1, prefetch = 0>
func.func @one(%x: memref<1x64xf32>, %w: !packed.weight<4096x64, #packed.layout<dense, bf16>>, %y: memref<1x4096xf32>) {
  packed.matmul ins(%x : memref<1x64xf32>) weight(%w : <4096x64, #packed.layout<dense, bf16>>) outs(%y : memref<1x4096xf32>)
  return
}
// CHECK-LABEL: @many
// CHECK: packed.matmul {{.*}} config <tokens = {{[0-9]+}}, accumulators = 1, prefetch = 0, row_tiles = 2>
func.func @many(%x: memref<?x64xf32>, %w: !packed.weight<4096x64, #packed.layout<dense, bf16>>, %y: memref<?x4096xf32>) {
  packed.matmul ins(%x : memref<?x64xf32>) weight(%w : <4096x64, #packed.layout<dense, bf16>>) outs(%y : memref<?x4096xf32>)
  return
}
