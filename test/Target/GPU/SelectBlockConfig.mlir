// RUN: stc-opt %s --packed-select-block-config=target=nvptx-sm_90 | FileCheck %s
// RUN: stc-opt %s "--packed-select-block-config=target=nvptx-sm_90 max-tokens=64" | FileCheck %s --check-prefix=FEW
// RUN: stc-opt %s "--packed-select-block-config=target=nvptx-sm_90a max-tokens=4096" | FileCheck %s --check-prefix=TOGETHER
// RUN: stc-opt %s "--packed-select-block-config=target=nvptx-sm_90a max-tokens=512" | FileCheck %s --check-prefix=SOME
// RUN: not stc-opt %s --packed-select-block-config=target=nvptx-sm_10 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not stc-opt %s "--packed-select-block-config=target=nvptx-sm_90 max-tokens=0" 2>&1 | FileCheck %s --check-prefix=NONE

// UNKNOWN: --target: expected nvptx-sm_80, nvptx-sm_86, nvptx-sm_89, nvptx-sm_90, {{.*}}, got nvptx-sm_10
// NONE: expects max-tokens of at least 1, but got 0

// One token: tiles go round the blocks one by one.
// CHECK-LABEL: @one
// CHECK: packed.matmul {{.*}} config <tokens = 1, accumulators = 1, prefetch = 0>
func.func @one(%x: memref<1x64xf32>, %w: !packed.weight<4096x64, #packed.layout<dense, bf16>>, %y: memref<1x4096xf32>) {
  packed.matmul ins(%x : memref<1x64xf32>) weight(%w : <4096x64, #packed.layout<dense, bf16>>) outs(%y : memref<1x4096xf32>)
  return
}

// Many: 132 multiprocessors get 128 pieces, of 64 rows times half of the tokens. Few tokens are not
// divided: each piece would read all weights of its rows for less.
// CHECK-LABEL: @many
// CHECK: packed.matmul {{.*}} config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 4, piece_tokens = 128>
// FEW-LABEL: @many
// FEW: packed.matmul {{.*}} config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 2, piece_tokens = 64>
func.func @many(%x: memref<?x64xf32>, %w: !packed.weight<4096x64, #packed.layout<dense, bf16>>, %y: memref<?x4096xf32>) {
  packed.matmul ins(%x : memref<?x64xf32>) weight(%w : <4096x64, #packed.layout<dense, bf16>>) outs(%y : memref<?x4096xf32>)
  return
}

// Pairs of row tiles are divided as what they are: two.
// CHECK-LABEL: @pairs
// CHECK: packed.matmul {{.*}} config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 2, piece_tokens = 128>
func.func @pairs(%x: memref<?x64xf32>, %w: !packed.weight<4096x64, #packed.layout<dense, bf16>>, %c: memref<?x64xf32>, %y: memref<?x4096xf32>) {
  packed.matmul ins(%x : memref<?x64xf32>) weight(%w : <4096x64, #packed.layout<dense, bf16>>)
      rotary(%c, %c : memref<?x64xf32>, memref<?x64xf32>) outs(%y : memref<?x4096xf32>)
  return
}

// Where rows alone give each multiprocessor one large piece, all tokens share its weights.
// CHECK-LABEL: @tall
// CHECK: packed.matmul {{.*}} config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8>
func.func @tall(%x: memref<?x4096xf32>, %w: !packed.weight<14336x4096, #packed.layout<dense, bf16>>, %y: memref<?x14336xf32>) {
  packed.matmul ins(%x : memref<?x4096xf32>) weight(%w : <14336x4096, #packed.layout<dense, bf16>>) outs(%y : memref<?x14336xf32>)
  return
}

// Where warpgroups multiply what was copied while more is copied, pieces have up to 256 rows, which
// take the fewest bytes for each product, as long as all multiprocessors have some: 512 of 4096 tokens,
// and 128 of 512. Codes times f16 are such too.
// CHECK-LABEL: @overlapping
// TOGETHER-LABEL: @overlapping
// TOGETHER: packed.matmul {{.*}} row_tiles = 16, piece_tokens = 128>
// TOGETHER: packed.matmul {{.*}} row_tiles = 16, piece_tokens = 128>
// SOME-LABEL: @overlapping
// SOME: packed.matmul {{.*}} row_tiles = 8, piece_tokens = 128>
// SOME: packed.matmul {{.*}} row_tiles = 8, piece_tokens = 128>
func.func @overlapping(%x: memref<?x4096xf32>, %h: memref<?x4128xf16>, %w: !packed.weight<4096x4096, #packed.layout<dense, f16>>, %v: !packed.weight<4096x4096, #packed.layout<dense, i4, group = 128>>, %y: memref<?x4096xf32>) {
  packed.matmul ins(%x, %h : memref<?x4096xf32>, memref<?x4128xf16>) weight(%w : <4096x4096, #packed.layout<dense, f16>>) outs(%y : memref<?x4096xf32>)
  packed.matmul ins(%h : memref<?x4128xf16>) weight(%v : <4096x4096, #packed.layout<dense, i4, group = 128>>) outs(%y : memref<?x4096xf32>)
  return
}

// So are 2:4 floats, of which weights and masks are 9 of 16 bytes, and products take half as long.
// TOGETHER-LABEL: @pruned
// TOGETHER: packed.matmul {{.*}} row_tiles = 16, piece_tokens = 128>
// SOME-LABEL: @pruned
// SOME: packed.matmul {{.*}} row_tiles = 8, piece_tokens = 128>
func.func @pruned(%x: memref<?x4096xf32>, %h: memref<?x4128xf16>, %w: !packed.weight<4096x4096, #packed.layout<nm, f16, n = 2, m = 4>>, %y: memref<?x4096xf32>) {
  packed.matmul ins(%x, %h : memref<?x4096xf32>, memref<?x4128xf16>) weight(%w : <4096x4096, #packed.layout<nm, f16, n = 2, m = 4>>) outs(%y : memref<?x4096xf32>)
  return
}

// Where zeros are put in once for all tokens that are multiplied at once, those are rather more.
// TOGETHER-LABEL: @masked
// TOGETHER: packed.matmul {{.*}} row_tiles = 8, piece_tokens = 256>
func.func @masked(%x: memref<?x4096xf32>, %h: memref<?x4128xf16>, %w: !packed.weight<4096x4096, #packed.layout<bitmap, f16>>, %y: memref<?x4096xf32>) {
  packed.matmul ins(%x, %h : memref<?x4096xf32>, memref<?x4128xf16>) weight(%w : <4096x4096, #packed.layout<bitmap, f16>>) outs(%y : memref<?x4096xf32>)
  return
}

// What is known counts: of few rows there are enough pieces by tokens alone.
// CHECK-LABEL: @known
// CHECK: packed.matmul {{.*}} row_tiles = {{[0-9]+}}, piece_tokens = 128>
func.func @known(%x: memref<2048x512xf32>, %w: !packed.weight<512x512, #packed.layout<dense, bf16>>, %y: memref<2048x512xf32>) {
  packed.matmul ins(%x : memref<2048x512xf32>) weight(%w : <512x512, #packed.layout<dense, bf16>>) outs(%y : memref<2048x512xf32>)
  return
}

// Rows of attention for tensor cores: as many as leave shared memory for two blocks of keys and
// values. f32 is not theirs.
!halves = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 128, capacity = 64, element = f16>
!wide = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 256, capacity = 64, element = f8E4M3FN>
!floats = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 128, capacity = 64>
// CHECK-LABEL: @attention
// CHECK: packed.attention {{.*}} {packed.rows_per_tile = 128 : i64}
// CHECK: packed.attention {{.*}} {packed.rows_per_tile = 64 : i64}
// CHECK: packed.attention
// CHECK-NOT: rows_per_tile
// CHECK: return
func.func @attention(%q: memref<?x512xf32>, %w: memref<?x1024xf32>, %layer: index, %a: !halves, %b: !wide, %c: !floats) {
  packed.attention ins(%q : memref<?x512xf32>) cache(%a[%layer, %layer] : !halves) outs(%q : memref<?x512xf32>) heads 4 scale 1.0 window 0 sinks 0
  packed.attention ins(%w : memref<?x1024xf32>) cache(%b[%layer, %layer] : !wide) outs(%w : memref<?x1024xf32>) heads 4 scale 1.0 window 0 sinks 0
  packed.attention ins(%q : memref<?x512xf32>) cache(%c[%layer, %layer] : !floats) outs(%q : memref<?x512xf32>) heads 4 scale 1.0 window 0 sinks 0
  return
}
