// RUN: stc-opt %s --split-input-file "--packed-specialize-token-counts=target=nvptx-sm_90 max-tokens=1024" | FileCheck %s
// RUN: stc-opt %s --split-input-file "--packed-specialize-token-counts=target=nvptx-sm_90 max-tokens=1024" --packed-select-block-config=target=nvptx-sm_90 | FileCheck %s --check-prefix=CONFIG
// RUN: stc-opt %s --split-input-file "--packed-specialize-token-counts=target=simt max-tokens=1024" | FileCheck %s --check-prefix=SIMULATED
// RUN: stc-opt %s --split-input-file "--packed-specialize-token-counts=target=nvptx-sm_90 max-tokens=64" | FileCheck %s --check-prefix=FEW
// RUN: not stc-opt %s --split-input-file --packed-specialize-token-counts=target=nvptx-sm_10 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: --target: expected nvptx-sm_80, nvptx-sm_86, nvptx-sm_89, nvptx-sm_90, {{.*}}, got nvptx-sm_10

// Calls of up to 64 tokens, up to 256, and more have code of their own, with what it calls.
!w = !packed.weight<4096x4096, #packed.layout<dense, bf16>>

// CHECK: module attributes {stc.few_tokens = array<i64: 64, 256>}
// CHECK: func.func private @layer_64(
// CHECK-SAME: attributes {packed.token_range = array<i64: 1, 64>}
// CHECK: func.func private @layer_256(
// CHECK-SAME: attributes {packed.token_range = array<i64: 65, 256>}
// CHECK: func.func private @layer_1024(
// CHECK-SAME: attributes {packed.token_range = array<i64: 257, 1024>}
// CHECK: func.func @prefill_64(
// CHECK: call @layer_64(
// CHECK: func.func @prefill_256(
// CHECK: call @layer_256(
// CHECK: func.func @prefill(
// CHECK: call @layer_1024(
// CHECK-NOT: @layer(

// Few tokens: 128 pieces for the 132 multiprocessors, each with all tokens. More: pieces of more rows
// by some of the tokens.
// CONFIG-LABEL: func.func private @layer_64(
// CONFIG-NOT: token_range
// CONFIG: row_tiles = 2, piece_tokens = 64>
// CONFIG-LABEL: func.func private @layer_256(
// CONFIG: row_tiles = 4, piece_tokens = 128>
// CONFIG-LABEL: func.func private @layer_1024(
// CONFIG: row_tiles = 8, piece_tokens = {{[0-9]+}}>

// FEW-NOT: few_tokens
// FEW: func.func private @layer(
// FEW: func.func @prefill(
// FEW: call @layer(
func.func private @layer(%x: memref<?x4096xf32>, %w: !w, %y: memref<?x4096xf32>) {
  packed.matmul ins(%x : memref<?x4096xf32>) weight(%w : <4096x4096, #packed.layout<dense, bf16>>) outs(%y : memref<?x4096xf32>)
  return
}
func.func @prefill(%x: memref<?x4096xf32>, %w: !w, %y: memref<?x4096xf32>) {
  call @layer(%x, %w, %y) : (memref<?x4096xf32>, !w, memref<?x4096xf32>) -> ()
  return
}

// One token is not many.
// CHECK: func.func @decode(
// CHECK: packed.matmul
func.func @decode(%x: memref<1x4096xf32>, %w: !w, %y: memref<1x4096xf32>) {
  packed.matmul ins(%x : memref<1x4096xf32>) weight(%w : <4096x4096, #packed.layout<dense, bf16>>) outs(%y : memref<1x4096xf32>)
  return
}

// -----

// Small matrices take no time to speak of.
// CHECK-NOT: few_tokens
// CHECK: func.func @prefill(%{{.*}}: memref<?x512xf32>
// CHECK-NEXT: packed.matmul
func.func @prefill(%x: memref<?x512xf32>, %w: !packed.weight<512x512, #packed.layout<dense, bf16>>, %y: memref<?x512xf32>) {
  packed.matmul ins(%x : memref<?x512xf32>) weight(%w : <512x512, #packed.layout<dense, bf16>>) outs(%y : memref<?x512xf32>)
  return
}

// -----

// A kernel that runs on processors chooses itself.
// SIMULATED-NOT: few_tokens
// SIMULATED: func.func @prefill(%[[X:.*]]: memref<?x8192xf32>, %[[W:.*]]: !packed.weight
// SIMULATED: %[[N:.*]] = memref.dim %[[X]], %c0
// SIMULATED: %[[FITS:.*]] = arith.cmpi ule, %[[N]], %c[[MOST:.*]] : index
// SIMULATED: scf.if %[[FITS]] {
// SIMULATED: call @prefill_[[MOST]](%[[X]], %[[W]]
// SIMULATED: } else {
// SIMULATED: call @prefill_{{[0-9]+}}(
func.func @prefill(%x: memref<?x8192xf32>, %w: !packed.weight<64x8192, #packed.layout<dense, bf16>>, %y: memref<?x64xf32>) {
  packed.matmul ins(%x : memref<?x8192xf32>) weight(%w : <64x8192, #packed.layout<dense, bf16>>) outs(%y : memref<?x64xf32>)
  return
}
