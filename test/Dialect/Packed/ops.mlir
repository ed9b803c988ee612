// Every op, attribute and type of packed is printed as it is parsed, in the pretty and the generic
// form.
// RUN: stc-opt %s | stc-opt | FileCheck %s
// RUN: stc-opt %s --mlir-print-op-generic | stc-opt | FileCheck %s

// CHECK: packed.weight @layers.0.q : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>> offset 0 bytes 1280 density 1.000000e+00
packed.weight @layers.0.q : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>
    offset 0 bytes 1280 density 1.0
// CHECK: packed.weight @layers.0.k : !packed.weight<32x32, #packed.layout<bitmap, i4, group = 32>> offset 2304 bytes 999 density 5.000000e-01 {pattern = "2:4", reason = "half of it is zero"}
packed.weight @layers.0.k : !packed.weight<32x32, #packed.layout<bitmap, i4, group = 32>>
    offset 2304 bytes 999 density 0.5 {pattern = "2:4", reason = "half of it is zero"}
packed.weight @a.0 : !packed.weight<1x64, #packed.layout<rows, f32>> offset 4096 bytes 384 density 1.0
packed.weight @a.1 : !packed.weight<1x64, #packed.layout<rows, f32>> offset 4480 bytes 384 density 1.0
packed.weight @b.0 : !packed.weight<64x64, #packed.layout<dense, bf16>> offset 4864 bytes 8320 density 1.0
packed.weight @b.1 : !packed.weight<64x64, #packed.layout<dense, bf16>> offset 13184 bytes 8320 density 1.0

// CHECK-LABEL: @layouts
// CHECK-SAME: !packed.weight<8x4, #packed.layout<rows, f32>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<rows, bf16>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<dense, f32>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<dense, i4, group = 128>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<bitmap, i8, group = 64>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<nm, i4, group = 32, n = 2, m = 4>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<pairs, i4, group = 128, n = 4, m = 16>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<block, i8, group = 64>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<dense, i3, group = 32>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<dense, i2, group = 32, asymmetric = true>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<dense, i4, group = 128, per_row = true>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<dense, i2, group = 16, minimums = true>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<rows, f16>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<bitmap, f32>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<bitmap, bf16>>
// CHECK-SAME: !packed.weight<8x4, #packed.layout<nm, f16, n = 3, m = 8>>
func.func private @layouts(!packed.weight<8x4, #packed.layout<rows, f32>>,
    !packed.weight<8x4, #packed.layout<rows, bf16>>,
    !packed.weight<8x4, #packed.layout<dense, f32>>,
    !packed.weight<8x4, #packed.layout<dense, i4, group = 128>>,
    !packed.weight<8x4, #packed.layout<bitmap, i8, group = 64>>,
    !packed.weight<8x4, #packed.layout<nm, i4, group = 32, n = 2, m = 4>>,
    !packed.weight<8x4, #packed.layout<pairs, i4, group = 128, n = 4, m = 16>>,
    !packed.weight<8x4, #packed.layout<block, i8, group = 64>>,
    !packed.weight<8x4, #packed.layout<dense, i3, group = 32>>,
    !packed.weight<8x4, #packed.layout<dense, i2, group = 32, asymmetric = true>>,
    !packed.weight<8x4, #packed.layout<dense, i4, group = 128, per_row = true>>,
    !packed.weight<8x4, #packed.layout<dense, i2, group = 16, minimums = true>>,
    !packed.weight<8x4, #packed.layout<rows, f16>>,
    !packed.weight<8x4, #packed.layout<bitmap, f32>>,
    !packed.weight<8x4, #packed.layout<bitmap, bf16>>,
    !packed.weight<8x4, #packed.layout<nm, f16, n = 3, m = 8>>)

// CHECK-LABEL: @weights
func.func @weights(%i: index) {
  // CHECK: packed.get_weight @layers.0.q : <32x32, #packed.layout<dense, i8, group = 32>>
  %w = packed.get_weight @layers.0.q : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>
  // CHECK: packed.pointer %{{.*}} : <32x32, #packed.layout<dense, i8, group = 32>>
  %p = packed.pointer %w : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>
  // CHECK: %{{.*}}:2 = packed.weight_row %{{.*}} of {{\[\[}}@a.0, @b.0], [@a.1, @b.1]]
  // CHECK-SAME: <1x64, #packed.layout<rows, f32>>, !packed.weight<64x64, #packed.layout<dense, bf16>>
  %r:2 = packed.weight_row %i of [[@a.0, @b.0], [@a.1, @b.1]]
      : !packed.weight<1x64, #packed.layout<rows, f32>>, !packed.weight<64x64, #packed.layout<dense, bf16>>
  // CHECK: packed.vector %{{.*}} : <1x64, #packed.layout<rows, f32>> -> tensor<64xf32>
  %v = packed.vector %r#0 : !packed.weight<1x64, #packed.layout<rows, f32>> -> tensor<64xf32>
  // CHECK: packed.vector %{{.*}} : <1x64, #packed.layout<rows, f32>> -> memref<64xf32>
  %m = packed.vector %r#0 : !packed.weight<1x64, #packed.layout<rows, f32>> -> memref<64xf32>
  return
}

// CHECK-LABEL: @memory
func.func @memory(%p: !llvm.ptr, %n: index, %layer: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // CHECK: %{{.*}}, %{{.*}} = packed.cache_pointers %{{.*}}[%{{.*}}] : <layers = 1
  %k, %v = packed.cache_pointers %cache[%layer]
      : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
  // CHECK: packed.scratch(%{{.*}}) offset 128 bytes 16384 : memref<?x64xf32>
  %a = packed.scratch(%n) offset 128 bytes 16384 : memref<?x64xf32>
  // CHECK: packed.buffer %{{.*}}(%{{.*}}) : memref<?x64xf32>
  %b = packed.buffer %p(%n) : memref<?x64xf32>
  // CHECK: packed.prefetch %
  packed.prefetch %p
  // CHECK: packed.prefetch %{{.*}} level 2
  packed.prefetch %p level 2
  // CHECK: packed.barrier
  packed.barrier
  // CHECK: %{{.*}}, %{{.*}} = packed.thread
  %thread, %threads = packed.thread
  return
}

// CHECK-LABEL: @quantize_activations
func.func @quantize_activations(%x: tensor<?x40xf32>, %c0: tensor<?x64xi8>, %s0: tensor<?x2xf32>,
                                %t0: tensor<?x2xi32>) {
  // CHECK: %{{.*}}:3 = packed.quantize_activations ins(%{{.*}} : tensor<?x40xf32>) outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>) group 32 -> tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>
  %c, %s, %t = packed.quantize_activations ins(%x : tensor<?x40xf32>)
      outs(%c0, %s0, %t0 : tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>) group 32
      -> tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>
  return
}

// CHECK-LABEL: @activations_of_tokens
func.func @activations_of_tokens(
    %x: tensor<?x300xf32>, %c0: tensor<?x384xi8>, %s0: tensor<?x1xf32>, %t0: tensor<?x1xi32>,
    %w: !packed.weight<16x300, #packed.layout<dense, i8, group = 128, per_row = true>>,
    %y: tensor<?x16xf32>) {
  // CHECK: packed.quantize_activations
  // PRETTY-SAME: group 384 sum_factor -128 ->
  %c, %s, %t = packed.quantize_activations ins(%x : tensor<?x300xf32>)
      outs(%c0, %s0, %t0 : tensor<?x384xi8>, tensor<?x1xf32>, tensor<?x1xi32>) group 384
      sum_factor -128 -> tensor<?x384xi8>, tensor<?x1xf32>, tensor<?x1xi32>
  // CHECK: packed.matmul
  %r = packed.matmul ins(%c, %s, %t : tensor<?x384xi8>, tensor<?x1xf32>, tensor<?x1xi32>)
      weight(%w : !packed.weight<16x300, #packed.layout<dense, i8, group = 128, per_row = true>>)
      outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: @ordered_activations
func.func @ordered_activations(%x: tensor<?x64xf32>, %order: tensor<40xf32>, %c0: tensor<?x64xi8>,
                               %s0: tensor<?x2xf32>, %t0: tensor<?x2xi32>) {
  // CHECK: packed.quantize_activations
  // PRETTY-SAME: ins(%{{.*}} : tensor<?x64xf32>) order(%{{.*}} : tensor<40xf32>) outs(
  %c, %s, %t = packed.quantize_activations ins(%x : tensor<?x64xf32>) order(%order : tensor<40xf32>)
      outs(%c0, %s0, %t0 : tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>) group 32
      -> tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>
  return
}

// CHECK-LABEL: @permute_features
func.func @permute_features(%x: tensor<?x8xf32>, %order: tensor<8xf32>, %y0: tensor<?x8xf32>,
                            %m: memref<?x8xf32>, %places: memref<8xf32>) {
  // CHECK: packed.permute_features
  // PRETTY-SAME: ins(%{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<8xf32>) outs(%{{.*}} : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = packed.permute_features ins(%x, %order : tensor<?x8xf32>, tensor<8xf32>)
      outs(%y0 : tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: packed.permute_features
  packed.permute_features ins(%m, %places : memref<?x8xf32>, memref<8xf32>)
      outs(%m : memref<?x8xf32>)
  return
}

// CHECK-LABEL: @split_activations
func.func @split_activations(%x: tensor<?x40xf32>, %h0: tensor<?x192xbf16>, %m: memref<?x40xf32>,
                             %h1: memref<?x192xbf16>) {
  // CHECK: packed.split_activations ins(%{{.*}} : tensor<?x40xf32>) outs(%{{.*}} : tensor<?x192xbf16>) -> tensor<?x192xbf16>
  %h = packed.split_activations ins(%x : tensor<?x40xf32>) outs(%h0 : tensor<?x192xbf16>)
      -> tensor<?x192xbf16>
  // CHECK: packed.split_activations ins(%{{.*}} : memref<?x40xf32>) outs(%{{.*}} : memref<?x192xbf16>){{$}}
  packed.split_activations ins(%m : memref<?x40xf32>) outs(%h1 : memref<?x192xbf16>)
  return
}

// CHECK-LABEL: @rounded_matmul
func.func @rounded_matmul(%x: tensor<?x40xf32>, %h0: tensor<?x96xf16>, %y0: tensor<?x16xf32>,
    %w: !packed.weight<16x40, #packed.layout<dense, f16>>) {
  // CHECK: packed.split_activations ins(%{{.*}} : tensor<?x40xf32>) outs(%{{.*}} : tensor<?x96xf16>) -> tensor<?x96xf16>
  %h = packed.split_activations ins(%x : tensor<?x40xf32>) outs(%h0 : tensor<?x96xf16>)
      -> tensor<?x96xf16>
  // CHECK: packed.matmul ins(%{{.*}}, %{{.*}} : tensor<?x40xf32>, tensor<?x96xf16>)
  %y = packed.matmul ins(%x, %h : tensor<?x40xf32>, tensor<?x96xf16>)
      weight(%w : !packed.weight<16x40, #packed.layout<dense, f16>>)
      outs(%y0 : tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: @split_matmul
func.func @split_matmul(%x: tensor<?x40xf32>, %h: tensor<?x192xbf16>, %y0: tensor<?x16xf32>,
    %m: memref<?x40xf32>, %mh: memref<?x192xbf16>, %my: memref<?x16xf32>, %i: index,
    %w: !packed.weight<16x40, #packed.layout<dense, bf16>>) {
  // CHECK: packed.matmul ins(%{{.*}}, %{{.*}} : tensor<?x40xf32>, tensor<?x192xbf16>) weight
  %y = packed.matmul ins(%x, %h : tensor<?x40xf32>, tensor<?x192xbf16>)
      weight(%w : !packed.weight<16x40, #packed.layout<dense, bf16>>)
      outs(%y0 : tensor<?x16xf32>) -> tensor<?x16xf32>
  // CHECK: packed.matmul_tile %{{.*}} ins(%{{.*}}, %{{.*}} : memref<?x40xf32>, memref<?x192xbf16>) weight
  packed.matmul_tile %i ins(%m, %mh : memref<?x40xf32>, memref<?x192xbf16>)
      weight(%w : !packed.weight<16x40, #packed.layout<dense, bf16>>)
      outs(%my : memref<?x16xf32>) config <tokens = 32, accumulators = 1, prefetch = 0>
  return
}

// CHECK-LABEL: @matmul
func.func @matmul(%x: tensor<?x32xf32>, %y0: tensor<?x32xf32>, %b: tensor<32xf32>,
    %cos: tensor<?x16xf32>, %sin: tensor<?x16xf32>,
    %w: !packed.weight<32x32, #packed.layout<dense, bf16>>,
    %w8: !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>,
    %c: tensor<?x32xi8>, %s: tensor<?x1xf32>, %t: tensor<?x1xi32>) {
  // CHECK: packed.matmul ins(%{{.*}} : tensor<?x32xf32>) weight(%{{.*}} : <32x32, #packed.layout<dense, bf16>>) outs(%{{.*}} : tensor<?x32xf32>) -> tensor<?x32xf32>
  %y = packed.matmul ins(%x : tensor<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%y0 : tensor<?x32xf32>) -> tensor<?x32xf32>
  // CHECK: packed.matmul {{.*}} gate <silu>(%{{.*}} : tensor<?x32xf32>) outs(
  %u = packed.matmul ins(%x : tensor<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      gate <silu>(%y : tensor<?x32xf32>) outs(%y0 : tensor<?x32xf32>) -> tensor<?x32xf32>
  // CHECK: packed.matmul {{.*}} rotary(%{{.*}}, %{{.*}} : tensor<?x16xf32>, tensor<?x16xf32>) outs(
  %q = packed.matmul ins(%x : tensor<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      rotary(%cos, %sin : tensor<?x16xf32>, tensor<?x16xf32>)
      outs(%y0 : tensor<?x32xf32>) -> tensor<?x32xf32>
  // CHECK: packed.matmul ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x32xi8>, tensor<?x1xf32>, tensor<?x1xi32>)
  // CHECK-SAME: bias(%{{.*}} : tensor<32xf32>) residual(%{{.*}} : tensor<?x32xf32>)
  // CHECK-SAME: config <tokens = 1, accumulators = 4, prefetch = 8192>
  %z = packed.matmul ins(%c, %s, %t : tensor<?x32xi8>, tensor<?x1xf32>, tensor<?x1xi32>)
      weight(%w8 : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>)
      bias(%b : tensor<32xf32>) residual(%x : tensor<?x32xf32>) outs(%y0 : tensor<?x32xf32>)
      config <tokens = 1, accumulators = 4, prefetch = 8192> -> tensor<?x32xf32>
  return
}

// Activations of sparse floats have the columns of the matrix, whatever its tiles are padded to.
// CHECK-LABEL: @sparse_float_matmul
func.func @sparse_float_matmul(%x: tensor<?x40xf32>, %y0: tensor<?x16xf32>,
    %w: !packed.weight<16x40, #packed.layout<nm, bf16, n = 2, m = 4>>) {
  // CHECK: packed.matmul ins(%{{.*}} : tensor<?x40xf32>) weight(%{{.*}} : <16x40, #packed.layout<nm, bf16, n = 2, m = 4>>)
  %y = packed.matmul ins(%x : tensor<?x40xf32>)
      weight(%w : !packed.weight<16x40, #packed.layout<nm, bf16, n = 2, m = 4>>)
      outs(%y0 : tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: @gather
func.func @gather(%tokens: tensor<?xi32>, %h0: tensor<?x64xf32>,
                  %w: !packed.weight<512x64, #packed.layout<rows, f32>>) {
  // CHECK: packed.gather ins(%{{.*}} : tensor<?xi32>) table(%{{.*}} : <512x64, #packed.layout<rows, f32>>) outs(%{{.*}} : tensor<?x64xf32>) -> tensor<?x64xf32>
  %h = packed.gather ins(%tokens : tensor<?xi32>)
      table(%w : !packed.weight<512x64, #packed.layout<rows, f32>>)
      outs(%h0 : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// CHECK-LABEL: @rotary
func.func @rotary(%x: tensor<?x8xf32>, %cos: tensor<?x2xf32>, %sin: tensor<?x2xf32>) {
  // CHECK: packed.rotary ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>) outs(%{{.*}} : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = packed.rotary ins(%x, %cos, %sin : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>)
      outs(%x : tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: packed.rotary interleaved ins(
  %z = packed.rotary interleaved ins(%x, %cos, %sin : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>)
      outs(%x : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: @attention
func.func @attention(%q: tensor<?x16xf32>, %y0: tensor<?x16xf32>, %layer: index, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // CHECK: packed.attention ins(%{{.*}} : tensor<?x16xf32>) cache(%{{.*}}[%{{.*}}, %{{.*}}] : <layers = 1{{.*}}>) outs(%{{.*}} : tensor<?x16xf32>) heads 4 scale 5.000000e-01 window 8 -> tensor<?x16xf32>
  %y = packed.attention ins(%q : tensor<?x16xf32>)
      cache(%cache[%layer, %position] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      outs(%y0 : tensor<?x16xf32>) heads 4 scale 5.0e-01 window 8 -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: @biased_attention
func.func @biased_attention(%q: tensor<?x16xf32>, %y0: tensor<?x16xf32>, %i: index,
    %b: tensor<32xf32>, %s: tensor<4xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // CHECK: packed.attention {{.*}} to %{{.*}} bias(%{{.*}} : tensor<32xf32>) within 16 sink_logits(%{{.*}} : tensor<4xf32>) outs({{.*}}) heads 4 scale 5.000000e-01 window 0 slopes [0.000000e+00, 1.000000e-01, 1.000000e+00, 2.000000e+00] -> tensor<?x16xf32>
  %y = packed.attention ins(%q : tensor<?x16xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      to %i bias(%b : tensor<32xf32>) within 16 sink_logits(%s : tensor<4xf32>)
      outs(%y0 : tensor<?x16xf32>) heads 4 scale 5.0e-01 window 0 slopes [0.0, 0.1, 1.0, 2.0]
      -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: @memrefs
func.func @memrefs(%x: memref<?x32xf32>, %y: memref<?x32xf32>, %tokens: memref<?xi32>,
    %c: memref<?x32xi8>, %s: memref<?x1xf32>, %t: memref<?x1xi32>, %cos: memref<?x4xf32>, %half: memref<?x16xf32>,
    %w: !packed.weight<32x32, #packed.layout<dense, bf16>>, %i: index, %b: memref<32xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 16>) {
  // CHECK: packed.gather {{.*}} outs(%{{.*}} : memref<?x32xf32>){{$}}
  packed.gather ins(%tokens : memref<?xi32>)
      table(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>) outs(%x : memref<?x32xf32>)
  // CHECK: packed.quantize_activations {{.*}} memref<?x1xi32>) group 32{{$}}
  packed.quantize_activations ins(%x : memref<?x32xf32>)
      outs(%c, %s, %t : memref<?x32xi8>, memref<?x1xf32>, memref<?x1xi32>) group 32
  // CHECK: packed.matmul {{.*}} outs(%{{.*}} : memref<?x32xf32>){{$}}
  packed.matmul ins(%x : memref<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>) outs(%y : memref<?x32xf32>)
  // CHECK: packed.rotary {{.*}} outs(%{{.*}} : memref<?x32xf32>){{$}}
  packed.rotary ins(%x, %cos, %cos : memref<?x32xf32>, memref<?x4xf32>, memref<?x4xf32>)
      outs(%x : memref<?x32xf32>)
  // CHECK: packed.attention {{.*}} heads 4 scale 5.000000e-01 window 0{{$}}
  packed.attention ins(%x : memref<?x32xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 16>)
      outs(%y : memref<?x32xf32>) heads 4 scale 5.0e-01 window 0
  // CHECK: packed.matmul_tile %{{.*}} ins(%{{.*}} : memref<?x32xf32>) weight(%{{.*}} : <32x32, #packed.layout<dense, bf16>>) outs(%{{.*}} : memref<?x32xf32>) config <tokens = 1, accumulators = 4, prefetch = 0>
  packed.matmul_tile %i ins(%x : memref<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%y : memref<?x32xf32>)
      config <tokens = 1, accumulators = 4, prefetch = 0>
  // CHECK: packed.matmul_tile %{{.*}} bias(%{{.*}} : memref<32xf32>) residual(%{{.*}} : memref<?x32xf32>) outs(
  packed.matmul_tile %i ins(%x : memref<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      bias(%b : memref<32xf32>) residual(%x : memref<?x32xf32>) outs(%y : memref<?x32xf32>)
      config <tokens = 1, accumulators = 4, prefetch = 0>
  // CHECK: packed.matmul_tile %{{.*}} gate <gelu>(%{{.*}} : memref<?x32xf32>) rotary(%{{.*}}, %{{.*}} : memref<?x16xf32>, memref<?x16xf32>) outs(
  packed.matmul_tile %i ins(%x : memref<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      gate <gelu>(%x : memref<?x32xf32>) rotary(%half, %half : memref<?x16xf32>, memref<?x16xf32>)
      outs(%y : memref<?x32xf32>) config <tokens = 1, accumulators = 4, prefetch = 0>
  // CHECK: packed.attention_tile %{{.*}}, %{{.*}} tokens 2 ins(%{{.*}} : memref<?x32xf32>) cache(%{{.*}} : <layers = 1{{.*}}>) outs(%{{.*}} : memref<?x32xf32>) heads 4 scale 5.000000e-01 window 0
  packed.attention_tile %i, %i tokens 2 ins(%x : memref<?x32xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 16>)
      outs(%y : memref<?x32xf32>) heads 4 scale 5.0e-01 window 0
  return
}

// CHECK-LABEL: @attention_pieces
func.func @attention_pieces(%i: index, %x: memref<1x32xf32>, %p: memref<8x32xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 128, element = i8>) {
  // CHECK: packed.attention_tile %{{.*}}, %{{.*}} tokens 1 ins(%{{.*}}) cache(%{{.*}} : <layers = 1, kv_heads = 2, head_dim = 8, capacity = 128, element = i8>) outs(%{{.*}} : memref<1x32xf32>) piece %{{.*}} of 64 partials(%{{.*}} : memref<8x32xf32>) heads 4 scale 5.000000e-01 window 70 sinks 4
  packed.attention_tile %i, %i tokens 1 ins(%x : memref<1x32xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 128, element = i8>)
      outs(%x : memref<1x32xf32>) piece %i of 64 partials(%p : memref<8x32xf32>)
      heads 4 scale 5.0e-01 window 70 sinks 4
  // CHECK: packed.attention_combine %{{.*}}, %{{.*}} ins(%{{.*}} : memref<8x32xf32>) cache(%{{.*}} : <{{.*}}>) outs(%{{.*}} : memref<1x32xf32>) heads 4
  packed.attention_combine %i, %i ins(%p : memref<8x32xf32>)
      cache(%cache : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 128, element = i8>)
      outs(%x : memref<1x32xf32>) heads 4
  return
}

// CHECK-LABEL: @tile_dot
func.func @tile_dot(%sums: !llvm.ptr, %inputs: !llvm.ptr, %codes: !llvm.ptr) {
  // CHECK: packed.tile_dot %{{.*}}, %{{.*}} stride 2048, %{{.*}} tokens 16 columns 64
  packed.tile_dot %sums, %inputs stride 2048, %codes tokens 16 columns 64
  return
}

// CHECK-LABEL: @tile_dot_bf16
func.func @tile_dot_bf16(%sums: !llvm.ptr, %inputs: !llvm.ptr, %weights: !llvm.ptr) {
  // CHECK: packed.tile_dot_bf16 %{{.*}}, %{{.*}} stride 4096, %{{.*}} rows 64 columns 256
  packed.tile_dot_bf16 %sums, %inputs stride 4096, %weights rows 64 columns 256
  return
}

// CHECK-LABEL: @dot8x2
func.func @dot8x2(%acc: vector<32xi32>, %w: vector<128xi8>, %x: vector<16xi8>) {
  // CHECK: packed.dot8x2 %{{.*}}, %{{.*}}, %{{.*}} : vector<32xi32>, vector<128xi8>
  %r = packed.dot8x2 %acc, %w, %x : vector<32xi32>, vector<128xi8>
  // CHECK: packed.dot8x2 %{{.*}}, %{{.*}}, %{{.*}} bits 4 : vector<32xi32>, vector<128xi8>
  %s = packed.dot8x2 %acc, %w, %x bits 4 : vector<32xi32>, vector<128xi8>
  return
}

// CHECK-LABEL: @micro
func.func @micro(%acc: vector<16xi32>, %w: vector<64xi8>, %x: vector<64xi8>, %mask: i64) {
  // CHECK: packed.dot4 %{{.*}}, %{{.*}}, %{{.*}} : vector<16xi32>, vector<64xi8>
  %r = packed.dot4 %acc, %w, %x : vector<16xi32>, vector<64xi8>
  // CHECK: packed.dot4 %{{.*}}, %{{.*}}, %{{.*}} bits 4 : vector<16xi32>, vector<64xi8>
  %s = packed.dot4 %acc, %w, %x bits 4 : vector<16xi32>, vector<64xi8>
  // CHECK: packed.dot4 %{{.*}}, %{{.*}}, %{{.*}} signed_bits 4 : vector<16xi32>, vector<64xi8>
  %t = packed.dot4 %acc, %x, %w bits 8 signed_bits 4 : vector<16xi32>, vector<64xi8>
  // CHECK: packed.select16 %{{.*}}, %{{.*}} : vector<64xi8>
  %c = packed.select16 %w, %x : vector<64xi8>
  // CHECK: packed.select64 %{{.*}}, %{{.*}} : vector<64xi8>
  %d = packed.select64 %w, %x : vector<64xi8>
  // CHECK: packed.expand %{{.*}}, %{{.*}}, %{{.*}} : vector<64xi8>
  %e = packed.expand %w, %x, %mask : vector<64xi8>
  return
}

// CHECK-LABEL: @heads
func.func @heads(%x: tensor<?x16xf32>, %w: tensor<8xf32>, %c: tensor<?x2xf32>, %layer: index,
    %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 16>) {
  // CHECK: packed.rms_norm
  // PRETTY-SAME: ins(%{{.*}}, %{{.*}} : tensor<?x16xf32>, tensor<8xf32>) outs(%{{.*}} : tensor<?x16xf32>) groups 2 epsilon 1.000000e-05 -> tensor<?x16xf32>
  %y = packed.rms_norm ins(%x, %w : tensor<?x16xf32>, tensor<8xf32>)
      outs(%x : tensor<?x16xf32>) groups 2 epsilon 1.0e-05 -> tensor<?x16xf32>
  // CHECK: packed.rms_norm
  // PRETTY-SAME: centred ins(%{{.*}}, %{{.*}} : tensor<?x16xf32>, tensor<8xf32>) outs(%{{.*}} : tensor<?x16xf32>) groups 2 epsilon 1.000000e-05 -> tensor<?x16xf32>
  %v = packed.rms_norm centred ins(%x, %w : tensor<?x16xf32>, tensor<8xf32>)
      outs(%x : tensor<?x16xf32>) groups 2 epsilon 1.0e-05 -> tensor<?x16xf32>
  // CHECK: packed.rotary
  // PRETTY-SAME: head_dim 8 -> tensor<?x16xf32>
  %z = packed.rotary ins(%y, %c, %c : tensor<?x16xf32>, tensor<?x2xf32>, tensor<?x2xf32>)
      outs(%y : tensor<?x16xf32>) head_dim 8 -> tensor<?x16xf32>
  // CHECK: packed.attention
  // PRETTY-SAME: window 0 soft_cap 5.000000e+01 -> tensor<?x16xf32>
  %a = packed.attention ins(%z : tensor<?x16xf32>)
      cache(%cache[%layer, %position] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 16>)
      outs(%z : tensor<?x16xf32>) heads 2 scale 5.0e-01 window 0 soft_cap 5.0e+01
      -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: @attention_tile_with_cap
func.func @attention_tile_with_cap(%q: memref<?x16xf32>, %kv_head: index, %layer: index,
    %position: index, %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // CHECK: packed.attention_tile
  // PRETTY-SAME: soft_cap 5.000000e+01
  packed.attention_tile %kv_head, %position tokens 2 ins(%q : memref<?x16xf32>)
      cache(%cache[%layer, %position] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      outs(%q : memref<?x16xf32>) heads 4 scale 5.0e-01 window 0 soft_cap 5.0e+01
  return
}

// CHECK-LABEL: @grouped_gate
func.func @grouped_gate(%s: tensor<?x8xf32>, %b: tensor<8xf32>, %m: memref<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: packed.grouped_gate normalized ins(%{{.*}} : tensor<?x8xf32>) correction(%{{.*}} : tensor<8xf32>) outs(%{{.*}} : tensor<?x8xf32>) k 2 groups 4 kept 2 best 2 scale 2.500000e+00 -> tensor<?x8xf32>
  %g = packed.grouped_gate normalized ins(%s : tensor<?x8xf32>) correction(%b : tensor<8xf32>)
      outs(%s : tensor<?x8xf32>) k 2 groups 4 kept 2 best 2 scale 2.5 -> tensor<?x8xf32>
  // CHECK: packed.grouped_gate ins(%{{.*}} : memref<?x8xf32>) outs(%{{.*}} : memref<?x8xf32>) k 1 groups 1 kept 1 best 1 scale 1.000000e+00
  packed.grouped_gate ins(%m : memref<?x8xf32>) outs(%m : memref<?x8xf32>) k 1 groups 1 kept 1 best 1 scale 1.0
  return %g : tensor<?x8xf32>
}

// CHECK-LABEL: @experts
func.func @experts(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %l: tensor<?x8xf32>, %e: index,
                   %t0: tensor<?xi32>, %m: memref<?x8xf32>, %t1: memref<?xi32>) -> tensor<?x64xf32> {
  // CHECK: packed.top_k_gate normalized ins(%{{.*}} : tensor<?x8xf32>) outs(%{{.*}} : tensor<?x8xf32>) k 2 -> tensor<?x8xf32>
  %g = packed.top_k_gate normalized ins(%l : tensor<?x8xf32>) outs(%l : tensor<?x8xf32>) k 2
      -> tensor<?x8xf32>
  // CHECK: packed.select_tokens ins(%{{.*}}[%{{.*}}] : tensor<?x8xf32>) outs(%{{.*}} : tensor<?xi32>) -> tensor<?xi32>
  %t = packed.select_tokens ins(%g[%e] : tensor<?x8xf32>) outs(%t0 : tensor<?xi32>) -> tensor<?xi32>
  // CHECK: packed.select_tokens ins(%{{.*}}[%{{.*}}] : memref<?x8xf32>) outs(%{{.*}} : memref<?xi32>)
  packed.select_tokens ins(%m[%e] : memref<?x8xf32>) outs(%t1 : memref<?xi32>)
  // CHECK: packed.gather_tokens ins(%{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<?xi32>) outs(%{{.*}} : tensor<?x64xf32>) -> tensor<?x64xf32>
  %r = packed.gather_tokens ins(%x, %t : tensor<?x64xf32>, tensor<?xi32>)
      outs(%y : tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: packed.scatter_add ins(%{{.*}} : tensor<?x64xf32>) gates(%{{.*}}[%{{.*}}] : tensor<?x8xf32>) tokens(%{{.*}} : tensor<?xi32>) outs(%{{.*}} : tensor<?x64xf32>) -> tensor<?x64xf32>
  %s = packed.scatter_add ins(%r : tensor<?x64xf32>) gates(%g[%e] : tensor<?x8xf32>)
      tokens(%t : tensor<?xi32>) outs(%x : tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: packed.scatter_add ins(%{{.*}} : tensor<?x64xf32>) gates(%{{.*}}[%{{.*}}] : tensor<?x8xf32>) outs(%{{.*}} : tensor<?x64xf32>) -> tensor<?x64xf32>
  %u = packed.scatter_add ins(%x : tensor<?x64xf32>) gates(%g[%e] : tensor<?x8xf32>)
      outs(%s : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %u : tensor<?x64xf32>
}

// CHECK-LABEL: @pattern
func.func @pattern(%q: memref<?x16xf32>, %y: memref<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // CHECK: packed.attention ins({{.*}} window 0 pattern "strided:4"
  packed.attention ins(%q : memref<?x16xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      outs(%y : memref<?x16xf32>) heads 4 scale 5.0e-01 window 0 pattern "strided:4"
  // CHECK: packed.attention_tile {{.*}} window 0 pattern "blocks:16:0/0,1"
  packed.attention_tile %i, %i tokens 2 ins(%q : memref<?x16xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      outs(%y : memref<?x16xf32>) heads 4 scale 5.0e-01 window 0 pattern "blocks:16:0/0,1"
  return
}
