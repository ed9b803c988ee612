// Every numbered constraint of packed, broken once.
// RUN: stc-opt %s -verify-diagnostics -split-input-file

// #packed.layout (C1): element
// expected-error @+1 {{expects the element f32, bf16, f16, i8, i4, i3 or i2 (C1), but got 'f64'}}
func.func private @f(!packed.weight<8x4, #packed.layout<rows, f64>>)

// -----

// #packed.layout (C1): a float with a group
// expected-error @+1 {{(C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<dense, f32, group = 32>>)

// -----

// #packed.layout (C1): quantized rows
// expected-error @+1 {{(C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<rows, i8, group = 32>>)

// -----

// #packed.layout (C1): N of M
// expected-error @+1 {{(C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<nm, i4, group = 32, n = 4, m = 4>>)

// -----

// #packed.layout (C1): elements of pairs
// expected-error @+1 {{layout element: expected int4 in pairs, got int8 (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<pairs, i8, group = 32, n = 4, m = 16>>)

// -----

// #packed.layout (C1): sparse floats with a group
// expected-error @+1 {{layout group: expected 0 for floats, got 32 (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<bitmap, bf16, group = 32>>)

// -----

// #packed.layout (C1): blocks of floats
// expected-error @+1 {{layout element: expected int8 or int4 in blocks, got f32 (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<block, f32>>)

// -----

// #packed.layout (C1): N of M of floats
// expected-error @+1 {{layout n: expected 1 to 3, got 4 (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<nm, f16, n = 4, m = 4>>)

// -----

// #packed.layout (C1): N of pairs
// expected-error @+1 {{layout n: expected 1, 2, 4 or 8 in pairs, got 3 (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<pairs, i4, group = 32, n = 3, m = 16>>)

// -----

// #packed.layout (C1): a group that a vector of pairs crosses
// expected-error @+1 {{layout group: expected 64 or 128 in pairs of 1:16, got 32 (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<pairs, i4, group = 32, n = 1, m = 16>>)

// -----

// #packed.layout (C1): elements of blocks
// expected-error @+1 {{layout element: expected int8 or int4 in blocks, got int3 (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<block, i3, group = 32>>)

// -----

// #packed.layout (C1): the group of scales of rows
// expected-error @+1 {{layout group: expected 128 with scales of rows, got 64 (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<dense, i4, group = 64, per_row = true>>)

// -----

// #packed.layout (C1): groups that vectors of int3 cross
// expected-error @+1 {{layout group: expected 32, 64 or 128, got 16 (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<dense, i3, group = 16>>)

// -----

// #packed.layout (C1): minimums of a sparse layout
// expected-error @+1 {{layout minimums: expected none unless the layout is dense and quantized, got minimums (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<bitmap, i4, group = 32, minimums = true>>)

// -----

// #packed.layout (C1): minimums beside zeros
// expected-error @+1 {{layout minimums: expected none beside zeros or scales of rows, got minimums (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<dense, i4, group = 32, asymmetric = true, minimums = true>>)

// -----

// #packed.layout (C1): zeros of a sparse layout
// expected-error @+1 {{layout zeros: expected none unless the layout is dense and quantized, got asymmetric (C1)}}
func.func private @f(!packed.weight<8x4, #packed.layout<block, i4, group = 32, asymmetric = true>>)

// -----

// #packed.lowering_config (C1)
// expected-error @+1 {{expects tokens in [1, 32] (C1), but got 0}}
module attributes {c = #packed.lowering_config<tokens = 0, accumulators = 1, prefetch = 0>} {}

// -----

// #packed.lowering_config (C2)
// expected-error @+1 {{expects 1, 2 or 4 accumulators (C2), but got 3}}
module attributes {c = #packed.lowering_config<tokens = 1, accumulators = 3, prefetch = 0>} {}

// -----

// #packed.lowering_config (C3)
// expected-error @+1 {{expects a non-negative prefetch distance (C3), but got -1}}
module attributes {c = #packed.lowering_config<tokens = 1, accumulators = 1, prefetch = -1>} {}

// -----

// #packed.lowering_config (C4)
// expected-error @+1 {{expects cache level 1, 2 or 3 (C4), but got 0}}
module attributes {c = #packed.lowering_config<tokens = 1, accumulators = 1, prefetch = 0, level = 0>} {}

// -----

// #packed.lowering_config (C5)
// expected-error @+1 {{expects row_tiles in [1, 64] (C5), but got 65}}
module attributes {c = #packed.lowering_config<tokens = 1, accumulators = 1, prefetch = 0, row_tiles = 65>} {}

// -----

// #packed.lowering_config (C7)
// expected-error @+1 {{expects streams in [1, 8] that divide row_tiles (C7), but got 2}}
module attributes {c = #packed.lowering_config<tokens = 1, accumulators = 1, prefetch = 0, row_tiles = 3, streams = 2>} {}

// -----

// #packed.lowering_config (C7)
// expected-error @+1 {{expects streams in [1, 8] that divide row_tiles (C7), but got 16}}
module attributes {c = #packed.lowering_config<tokens = 1, accumulators = 1, prefetch = 0, row_tiles = 16, streams = 16>} {}

// -----

// #packed.lowering_config (C8)
// expected-error @+1 {{expects a non-negative number of piece_tokens (C8), but got -1}}
module attributes {c = #packed.lowering_config<tokens = 1, accumulators = 1, prefetch = 0, piece_tokens = -1>} {}

// -----

// #packed.lowering_config (C6)
// expected-error @+1 {{expects unroll in [1, 1024] (C6), but got 0}}
module attributes {c = #packed.lowering_config<tokens = 1, accumulators = 1, prefetch = 0, unroll = 0>} {}

// -----

// packed.prefetch (C1)
func.func @f(%p: !llvm.ptr) {
  // expected-error @+1 {{expects cache level 1, 2 or 3 (C1), but got 4}}
  packed.prefetch %p level 4
  return
}

// -----

// !packed.weight (C1)
// expected-error @+1 {{expects rows and columns in [1, 2^31) (C1), but got 0 and 4}}
func.func private @f(!packed.weight<0x4, #packed.layout<rows, f32>>)

// -----

// !packed.weight (C1)
// expected-error @+1 {{expects rows and columns in [1, 2^31) (C1), but got 1 and 4294967296}}
func.func private @f(!packed.weight<1x4294967296, #packed.layout<rows, f32>>)

// -----

// !packed.weight: a vector
// expected-error @+1 {{expects rows x columns, but got 1 dimensions}}
func.func private @f(!packed.weight<4, #packed.layout<rows, f32>>)

// -----

// packed.weight (C1): alignment
// expected-error @+1 {{expects a non-negative offset that is a multiple of 64 (C1), but got 32}}
packed.weight @w : !packed.weight<1x64, #packed.layout<rows, f32>> offset 32 bytes 384 density 1.0

// -----

// packed.weight (C1): sign
// expected-error @+1 {{expects a non-negative offset that is a multiple of 64 (C1), but got -64}}
packed.weight @w : !packed.weight<1x64, #packed.layout<rows, f32>> offset -64 bytes 384 density 1.0

// -----

// packed.weight (C2): positive
// expected-error @+1 {{expects positive bytes (C2), but got 0}}
packed.weight @w : !packed.weight<4x64, #packed.layout<bitmap, i8, group = 32>> offset 0 bytes 0 density 1.0

// -----

// packed.weight (C2): size
// expected-error @+1 {{expects 384 bytes (C2), but got 256}}
packed.weight @w : !packed.weight<1x64, #packed.layout<rows, f32>> offset 0 bytes 256 density 1.0

// -----

// packed.weight (C3)
// expected-error @+1 {{expects a density in [0, 1] (C3), but got 2}}
packed.weight @w : !packed.weight<1x64, #packed.layout<rows, f32>> offset 0 bytes 384 density 2.0

// -----

// packed.get_weight (C1)
func.func @f() {
  // expected-error @+1 {{expects the name of a packed.weight (C1), but got @f}}
  %w = packed.get_weight @f : !packed.weight<1x64, #packed.layout<rows, f32>>
  return
}

// -----

// packed.get_weight (C2)
packed.weight @w : !packed.weight<1x64, #packed.layout<rows, f32>> offset 0 bytes 384 density 1.0
func.func @f() {
  // expected-error @+1 {{expects a result of type '!packed.weight<1x64, #packed.layout<rows, f32>>' (C2)}}
  %w = packed.get_weight @w : !packed.weight<1x64, #packed.layout<rows, bf16>>
  return
}

// -----

// packed.vector (C1): layout
func.func @f(%w: !packed.weight<1x64, #packed.layout<rows, bf16>>) {
  // expected-error @+1 {{expects a weight with the layout rows, f32 (C1)}}
  %v = packed.vector %w : !packed.weight<1x64, #packed.layout<rows, bf16>> -> tensor<64xf32>
  return
}

// -----

// packed.vector (C2): rows
func.func @f(%w: !packed.weight<2x64, #packed.layout<rows, f32>>) {
  // expected-error @+1 {{expects 128 elements (C2), but got 64}}
  %v = packed.vector %w : !packed.weight<2x64, #packed.layout<rows, f32>> -> tensor<64xf32>
  return
}

// -----

// packed.vector (C2)
func.func @f(%w: !packed.weight<1x64, #packed.layout<rows, f32>>) {
  // expected-error @+1 {{expects 64 elements (C2), but got 32}}
  %v = packed.vector %w : !packed.weight<1x64, #packed.layout<rows, f32>> -> tensor<32xf32>
  return
}

// -----

// packed.weight_row (C1)
func.func @f(%i: index) {
  // expected-error @+1 {{expects at least one row of weights (C1)}}
  %w = packed.weight_row %i of [] : !packed.weight<1x64, #packed.layout<rows, f32>>
  return
}

// -----

// packed.weight_row (C2)
func.func @f(%i: index) {
  // expected-error @+1 {{expects rows of 1 symbols (C2)}}
  %w = packed.weight_row %i of [[@a, @b]] : !packed.weight<1x64, #packed.layout<rows, f32>>
  return
}

// -----

// packed.weight_row (C3)
packed.weight @a : !packed.weight<1x32, #packed.layout<rows, f32>> offset 0 bytes 256 density 1.0
func.func @f(%i: index) {
  // expected-error @+1 {{expects the name of a packed.weight of type '!packed.weight<1x64, #packed.layout<rows, f32>>' (C3), but got @a}}
  %w = packed.weight_row %i of [[@a]] : !packed.weight<1x64, #packed.layout<rows, f32>>
  return
}

// -----

// packed.scratch (C1)
func.func @f() {
  // expected-error @+1 {{expects a non-negative offset that is a multiple of 64 (C1), but got 8}}
  %b = packed.scratch() offset 8 bytes 64 : memref<16xf32>
  return
}

// -----

// packed.scratch (C2): layout
func.func @f() {
  // expected-error @+1 {{expects numbers in the identity layout (C2)}}
  %b = packed.scratch() offset 0 bytes 64 : memref<16xf32, strided<[2]>>
  return
}

// -----

// packed.scratch (C2): elements
func.func @f() {
  // expected-error @+1 {{expects numbers in the identity layout (C2)}}
  %b = packed.scratch() offset 0 bytes 64 : memref<4xvector<4xf32>>
  return
}

// -----

// packed.scratch (C3)
func.func @f() {
  // expected-error @+1 {{expects 1 sizes (C3), but got 0}}
  %b = packed.scratch() offset 0 bytes 64 : memref<?xf32>
  return
}

// -----

// packed.scratch (C4)
func.func @f(%n: index) {
  // expected-error @+1 {{expects at least 64 bytes (C4), but got 32}}
  %b = packed.scratch(%n) offset 0 bytes 32 : memref<?x16xf32>
  return
}

// -----

// packed.buffer (C1)
func.func @f(%p: !llvm.ptr) {
  // expected-error @+1 {{expects the identity layout (C1)}}
  %b = packed.buffer %p() : memref<16xf32, strided<[2]>>
  return
}

// -----

// packed.buffer (C2)
func.func @f(%p: !llvm.ptr) {
  // expected-error @+1 {{expects 1 sizes (C2), but got 0}}
  %b = packed.buffer %p() : memref<?xf32>
  return
}

// -----

// packed.quantize_activations (C1)
func.func @f(%x: tensor<?x32xf32>, %c: tensor<?x32xi8>, %s: tensor<?x1xf32>, %t: tensor<?x1xi32>) {
  // expected-error @+1 {{expects a group of 16, 32, 64 or 128, or of all columns in a multiple of 128 (C1), but got 8}}
  %r:3 = packed.quantize_activations ins(%x : tensor<?x32xf32>)
      outs(%c, %s, %t : tensor<?x32xi8>, tensor<?x1xf32>, tensor<?x1xi32>) group 8
      -> tensor<?x32xi8>, tensor<?x1xf32>, tensor<?x1xi32>
  return
}

// -----

// packed.quantize_activations (C1): a group of more than all columns
func.func @f(%x: tensor<?x300xf32>, %c: tensor<?x512xi8>, %s: tensor<?x1xf32>,
             %t: tensor<?x1xi32>) {
  // expected-error @+1 {{expects a group of 16, 32, 64 or 128, or of all columns in a multiple of 128 (C1), but got 512}}
  %r:3 = packed.quantize_activations ins(%x : tensor<?x300xf32>)
      outs(%c, %s, %t : tensor<?x512xi8>, tensor<?x1xf32>, tensor<?x1xi32>) group 512
      -> tensor<?x512xi8>, tensor<?x1xf32>, tensor<?x1xi32>
  return
}

// -----

// packed.quantize_activations (C1): more columns than sums of 32 bits hold
func.func @f(%x: tensor<?x65537xf32>, %c: tensor<?x65664xi8>, %s: tensor<?x1xf32>,
             %t: tensor<?x1xi32>) {
  // expected-error @+1 {{expects a group of at most 65536 columns (C1), but got 65664}}
  %r:3 = packed.quantize_activations ins(%x : tensor<?x65537xf32>)
      outs(%c, %s, %t : tensor<?x65664xi8>, tensor<?x1xf32>, tensor<?x1xi32>) group 65664
      -> tensor<?x65664xi8>, tensor<?x1xf32>, tensor<?x1xi32>
  return
}

// -----

// packed.matmul (C2): one scale for each token beside scales of groups
func.func @f(%c: tensor<?x256xi8>, %s: tensor<?x1xf32>, %t: tensor<?x1xi32>, %y: tensor<?x16xf32>,
             %w: !packed.weight<16x256, #packed.layout<dense, i8, group = 128>>) {
  // expected-error @+1 {{expects 2 groups (C2), but got 1}}
  %r = packed.matmul ins(%c, %s, %t : tensor<?x256xi8>, tensor<?x1xf32>, tensor<?x1xi32>)
      weight(%w : !packed.weight<16x256, #packed.layout<dense, i8, group = 128>>)
      outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}

// -----

// packed.matmul (C2): a scale for each token, but several sums
func.func @f(%c: tensor<?x384xi8>, %s: tensor<?x1xf32>, %t: tensor<?x2xi32>, %y: tensor<?x16xf32>,
             %w: !packed.weight<16x384, #packed.layout<dense, i8, group = 128, per_row = true>>) {
  // expected-error @+1 {{expects 3 groups, or one for all columns (C2), but got 1}}
  %r = packed.matmul ins(%c, %s, %t : tensor<?x384xi8>, tensor<?x1xf32>, tensor<?x2xi32>)
      weight(%w : !packed.weight<16x384, #packed.layout<dense, i8, group = 128, per_row = true>>)
      outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}

// -----

// packed.quantize_activations (C1)
func.func @f(%x: tensor<?x32xf32>, %c: tensor<?x32xi8>, %s: tensor<?x1xf32>, %t: tensor<?x1xi32>) {
  // expected-error @+1 {{expects sum_factor in [-255, 255] (C1), but got 256}}
  %r:3 = packed.quantize_activations ins(%x : tensor<?x32xf32>)
      outs(%c, %s, %t : tensor<?x32xi8>, tensor<?x1xf32>, tensor<?x1xi32>) group 32 sum_factor 256
      -> tensor<?x32xi8>, tensor<?x1xf32>, tensor<?x1xi32>
  return
}

// -----

// packed.quantize_activations (C1)
func.func @f(%x: tensor<?x32xf32>, %c: tensor<?x32xi8>, %s: tensor<?x1xf32>, %t: tensor<?x1xi32>) {
  // expected-error @+1 {{expects an offset of 0 or 128 (C1), but got 64}}
  %r:3 = packed.quantize_activations ins(%x : tensor<?x32xf32>)
      outs(%c, %s, %t : tensor<?x32xi8>, tensor<?x1xf32>, tensor<?x1xi32>) group 32 offset 64
      -> tensor<?x32xi8>, tensor<?x1xf32>, tensor<?x1xi32>
  return
}

// -----

// packed.quantize_activations (C2): as many columns as the order has
func.func @f(%x: tensor<?x64xf32>, %order: tensor<32xf32>, %c: tensor<?x64xi8>,
             %s: tensor<?x2xf32>, %t: tensor<?x2xi32>) {
  // expected-error @+1 {{expects 32 code columns, 1 scales and sums (C2), but got 64, 2, 2}}
  %r:3 = packed.quantize_activations ins(%x : tensor<?x64xf32>) order(%order : tensor<32xf32>)
      outs(%c, %s, %t : tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>) group 32
      -> tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>
  return
}

// -----

// packed.permute_features (C1)
func.func @f(%x: memref<?x8xf32>, %order: memref<7xf32>, %y: memref<?x8xf32>) {
  // expected-error @+1 {{expects an order of 8 numbers (C1), but got 7}}
  packed.permute_features ins(%x, %order : memref<?x8xf32>, memref<7xf32>) outs(%y : memref<?x8xf32>)
  return
}

// -----

// packed.permute_features (C2)
func.func @f(%x: memref<3x8xf32>, %order: memref<4xf32>, %y: memref<?x4xf32>) {
  // expected-error @+1 {{expects outs of the input's tokens (C2)}}
  packed.permute_features ins(%x, %order : memref<3x8xf32>, memref<4xf32>) outs(%y : memref<?x4xf32>)
  return
}

// -----

// packed.quantize_activations (C2)
func.func @f(%x: tensor<?x40xf32>, %c: tensor<?x40xi8>, %s: tensor<?x2xf32>, %t: tensor<?x2xi32>) {
  // expected-error @+1 {{expects 64 code columns, 2 scales and sums (C2), but got 40, 2, 2}}
  %r:3 = packed.quantize_activations ins(%x : tensor<?x40xf32>)
      outs(%c, %s, %t : tensor<?x40xi8>, tensor<?x2xf32>, tensor<?x2xi32>) group 32
      -> tensor<?x40xi8>, tensor<?x2xf32>, tensor<?x2xi32>
  return
}

// -----

// packed.quantize_activations (C3)
func.func @f(%x: tensor<?x32xf32>, %c: tensor<?x32xi8>, %s: tensor<3x1xf32>, %t: tensor<?x1xi32>) {
  // expected-error @+1 {{expects the input's tokens in every output (C3)}}
  %r:3 = packed.quantize_activations ins(%x : tensor<?x32xf32>)
      outs(%c, %s, %t : tensor<?x32xi8>, tensor<3x1xf32>, tensor<?x1xi32>) group 32
      -> tensor<?x32xi8>, tensor<3x1xf32>, tensor<?x1xi32>
  return
}

// -----

// Destination style: a tensor without its result
func.func @f(%x: tensor<?x32xf32>, %c: tensor<?x32xi8>, %s: tensor<?x1xf32>, %t: tensor<?x1xi32>) {
  // expected-error @+1 {{expects one result per tensor in outs, of its type}}
  packed.quantize_activations ins(%x : tensor<?x32xf32>)
      outs(%c, %s, %t : tensor<?x32xi8>, tensor<?x1xf32>, tensor<?x1xi32>) group 32
  return
}

// -----

// packed.matmul (C1): one input too many
func.func @f(%x: tensor<?x32xf32>, %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects 1 or 2 inputs for this layout (C1), but got 3}}
  %y = packed.matmul ins(%x, %x, %x : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C1): split activations for another layout
func.func @f(%x: tensor<?x32xf32>, %h: tensor<?x64xbf16>,
             %w: !packed.weight<32x32, #packed.layout<dense, f32>>) {
  // expected-error @+1 {{expects 1 inputs for this layout (C1), but got 2}}
  %y = packed.matmul ins(%x, %h : tensor<?x32xf32>, tensor<?x64xbf16>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, f32>>)
      outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C1): activations of another type than the weights
func.func @f(%x: tensor<?x32xf32>, %h: tensor<?x64xbf16>,
             %w: !packed.weight<32x32, #packed.layout<dense, f16>>) {
  // expected-error @+1 {{expects split activations of the weights' type (C1), but got 'tensor<?x64xbf16>'}}
  %y = packed.matmul ins(%x, %h : tensor<?x32xf32>, tensor<?x64xbf16>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, f16>>)
      outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C1): split activations that are f32
func.func @f(%x: tensor<?x32xf32>, %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects split activations of the weights' type (C1), but got 'tensor<?x32xf32>'}}
  %y = packed.matmul ins(%x, %x : tensor<?x32xf32>, tensor<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C2): columns of activations that were rounded for codes
func.func @f(%h: tensor<?x64xf16>, %y: tensor<?x32xf32>,
             %w: !packed.weight<32x64, #packed.layout<dense, i4, group = 32>>) {
  // expected-error @+1 {{expects 96 input columns (C2), but got 64}}
  %r = packed.matmul ins(%h : tensor<?x64xf16>)
      weight(%w : !packed.weight<32x64, #packed.layout<dense, i4, group = 32>>)
      outs(%y : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C2): columns of split activations
func.func @f(%x: tensor<?x64xf32>, %h: tensor<?x64xbf16>, %y: tensor<?x32xf32>,
             %w: !packed.weight<32x64, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects 96 columns of split activations, or twice as many of bf16 (C2), but got 'tensor<?x64xbf16>'}}
  %r = packed.matmul ins(%x, %h : tensor<?x64xf32>, tensor<?x64xbf16>)
      weight(%w : !packed.weight<32x64, #packed.layout<dense, bf16>>)
      outs(%y : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C2): tokens of split activations
func.func @f(%x: tensor<8x32xf32>, %h: tensor<4x64xbf16>,
             %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects the input's tokens in split activations (C2), but got 'tensor<4x64xbf16>'}}
  %y = packed.matmul ins(%x, %h : tensor<8x32xf32>, tensor<4x64xbf16>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%x : tensor<8x32xf32>) -> tensor<8x32xf32>
  return
}

// -----

// packed.split_activations (C1)
func.func @f(%x: tensor<?x40xf32>, %h: tensor<?x80xbf16>) {
  // expected-error @+1 {{expects outs of 96 columns, or twice as many of bf16 (C1), but got 'tensor<?x80xbf16>'}}
  %r = packed.split_activations ins(%x : tensor<?x40xf32>) outs(%h : tensor<?x80xbf16>)
      -> tensor<?x80xbf16>
  return
}

// -----

// packed.split_activations (C1): an f16 is no sum of two
func.func @f(%x: tensor<?x40xf32>, %h: tensor<?x192xf16>) {
  // expected-error @+1 {{expects outs of 96 columns, or twice as many of bf16 (C1), but got 'tensor<?x192xf16>'}}
  %r = packed.split_activations ins(%x : tensor<?x40xf32>) outs(%h : tensor<?x192xf16>)
      -> tensor<?x192xf16>
  return
}

// -----

// packed.split_activations (C2)
func.func @f(%x: tensor<3x40xf32>, %h: tensor<4x192xbf16>) {
  // expected-error @+1 {{expects the input's tokens in outs (C2), but got 'tensor<4x192xbf16>'}}
  %r = packed.split_activations ins(%x : tensor<3x40xf32>) outs(%h : tensor<4x192xbf16>)
      -> tensor<4x192xbf16>
  return
}

// -----

// packed.matmul (C1): floats for a quantized layout
func.func @f(%x: tensor<?x32xf32>, %s: tensor<?x1xf32>, %t: tensor<?x1xi32>,
             %w: !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>) {
  // expected-error @+1 {{expects inputs of i8, f32 and i32 (C1)}}
  %y = packed.matmul ins(%x, %s, %t : tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x1xi32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>)
      outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C2): columns
func.func @f(%x: tensor<?x31xf32>, %y0: tensor<?x32xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects 32 input columns (C2), but got 31}}
  %y = packed.matmul ins(%x : tensor<?x31xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%y0 : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C2): groups
func.func @f(%c: tensor<?x32xi8>, %s: tensor<?x2xf32>, %t: tensor<?x1xi32>, %y0: tensor<?x32xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>) {
  // expected-error @+1 {{expects 1 groups (C2), but got 2}}
  %y = packed.matmul ins(%c, %s, %t : tensor<?x32xi8>, tensor<?x2xf32>, tensor<?x1xi32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>)
      outs(%y0 : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C3)
func.func @f(%x: tensor<?x32xf32>, %y0: tensor<?x16xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects outs of tokens x 32 (C3), but got 'tensor<?x16xf32>'}}
  %y = packed.matmul ins(%x : tensor<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%y0 : tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}

// -----

// packed.matmul (C4)
func.func @f(%x: tensor<?x32xf32>, %b: tensor<16xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects 32 bias values (C4), but got 16}}
  %y = packed.matmul ins(%x : tensor<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>) bias(%b : tensor<16xf32>)
      outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C5)
func.func @f(%x: tensor<?x32xf32>, %r: tensor<?x16xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects a residual of outs' shape (C5), but got 'tensor<?x16xf32>'}}
  %y = packed.matmul ins(%x : tensor<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      residual(%r : tensor<?x16xf32>) outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C6)
func.func @f(%x: tensor<?x32xf32>, %w: !packed.weight<32x32, #packed.layout<rows, bf16>>) {
  // expected-error @+1 {{expects a tiled layout (C6), but got rows}}
  %y = packed.matmul ins(%x : tensor<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<rows, bf16>>)
      outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C7)
func.func @f(%x: tensor<?x32xf32>, %g: tensor<?x16xf32>, %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects a gate of outs' shape (C7), but got 'tensor<?x16xf32>'}}
  %y = packed.matmul ins(%x : tensor<?x32xf32>) weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      gate <silu>(%g : tensor<?x16xf32>) outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C7): a gate alone
func.func @f(%x: memref<?x32xf32>, %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects a gate and an activation together (C7)}}
  "packed.matmul"(%x, %w, %x, %x) {operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0, 0, 1>}
      : (memref<?x32xf32>, !packed.weight<32x32, #packed.layout<dense, bf16>>, memref<?x32xf32>, memref<?x32xf32>) -> ()
  return
}

// -----

// packed.matmul (C8): half a tile
func.func @f(%x: tensor<?x32xf32>, %c: tensor<?x8xf32>, %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects cos with outs' tokens and a multiple of 16 columns, twice of which divide outs' (C8), but got 'tensor<?x8xf32>'}}
  %y = packed.matmul ins(%x : tensor<?x32xf32>) weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      rotary(%c, %c : tensor<?x8xf32>, tensor<?x8xf32>) outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C8): no whole head
func.func @f(%x: tensor<?x32xf32>, %c: tensor<?x32xf32>, %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{twice of which divide outs' (C8), but got 'tensor<?x32xf32>'}}
  %y = packed.matmul ins(%x : tensor<?x32xf32>) weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      rotary(%c, %c : tensor<?x32xf32>, tensor<?x32xf32>) outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C8): other tokens
func.func @f(%x: tensor<?x32xf32>, %c: tensor<3x16xf32>, %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects cos with outs' tokens}}
  %y = packed.matmul ins(%x : tensor<?x32xf32>) weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      rotary(%c, %c : tensor<3x16xf32>, tensor<3x16xf32>) outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.matmul (C8): different types
func.func @f(%x: tensor<?x32xf32>, %c: tensor<?x16xf32>, %s: tensor<3x16xf32>, %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects cos and sin of equal types (C8)}}
  %y = packed.matmul ins(%x : tensor<?x32xf32>) weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      rotary(%c, %s : tensor<?x16xf32>, tensor<3x16xf32>) outs(%x : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.gather (C1)
func.func @f(%tokens: tensor<?xi32>, %h: tensor<?x32xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>) {
  // expected-error @+1 {{expects a rows or dense float layout (C1)}}
  %y = packed.gather ins(%tokens : tensor<?xi32>)
      table(%w : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>)
      outs(%h : tensor<?x32xf32>) -> tensor<?x32xf32>
  return
}

// -----

// packed.gather (C2)
func.func @f(%tokens: tensor<?xi32>, %h: tensor<?x16xf32>,
             %w: !packed.weight<32x32, #packed.layout<rows, f32>>) {
  // expected-error @+1 {{expects outs of tokens x 32 (C2), but got 'tensor<?x16xf32>'}}
  %y = packed.gather ins(%tokens : tensor<?xi32>)
      table(%w : !packed.weight<32x32, #packed.layout<rows, f32>>)
      outs(%h : tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}

// -----

// packed.rotary (C1)
func.func @f(%x: tensor<?x6xf32>, %cos: tensor<?x2xf32>) {
  // expected-error @+1 {{expects input columns that are a multiple of 4 (C1), but got 6}}
  %y = packed.rotary ins(%x, %cos, %cos : tensor<?x6xf32>, tensor<?x2xf32>, tensor<?x2xf32>)
      outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// packed.rotary (C2)
func.func @f(%x: tensor<?x8xf32>, %cos: tensor<?x2xf32>, %sin: tensor<3x2xf32>) {
  // expected-error @+1 {{expects cos and sin of equal shape with the input's tokens (C2)}}
  %y = packed.rotary ins(%x, %cos, %sin : tensor<?x8xf32>, tensor<?x2xf32>, tensor<3x2xf32>)
      outs(%x : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// packed.rotary (C3)
func.func @f(%x: tensor<?x8xf32>, %cos: tensor<?x2xf32>, %y0: tensor<?x4xf32>) {
  // expected-error @+1 {{expects outs of the input's shape (C3), but got 'tensor<?x4xf32>'}}
  %y = packed.rotary ins(%x, %cos, %cos : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>)
      outs(%y0 : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// packed.attention (C1)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x12xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects heads that are a positive multiple of 2 (C1), but got 3}}
  %y = packed.attention ins(%q : tensor<?x12xf32>) cache(%cache[%i, %i] : !cache)
      outs(%q : tensor<?x12xf32>) heads 3 scale 5.0e-01 window 0 -> tensor<?x12xf32>
  return
}

// -----

// packed.attention (C2)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x16xf32>, %y0: tensor<?x12xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects 16 query and outs columns (C2), but got 16 and 12}}
  %y = packed.attention ins(%q : tensor<?x16xf32>) cache(%cache[%i, %i] : !cache)
      outs(%y0 : tensor<?x12xf32>) heads 4 scale 5.0e-01 window 0 -> tensor<?x12xf32>
  return
}

// -----

// packed.attention (C3)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x16xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects a finite, positive scale (C3), but got -1}}
  %y = packed.attention ins(%q : tensor<?x16xf32>) cache(%cache[%i, %i] : !cache)
      outs(%q : tensor<?x16xf32>) heads 4 scale -1.0 window 0 -> tensor<?x16xf32>
  return
}

// -----

// packed.attention (C4)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x16xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects a non-negative window (C4), but got -1}}
  %y = packed.attention ins(%q : tensor<?x16xf32>) cache(%cache[%i, %i] : !cache)
      outs(%q : tensor<?x16xf32>) heads 4 scale 5.0e-01 window -1 -> tensor<?x16xf32>
  return
}

// -----

// packed.attention (C5)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x16xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects non-negative sinks, 0 without a window (C5), but got 2}}
  %y = packed.attention ins(%q : tensor<?x16xf32>) cache(%cache[%i, %i] : !cache)
      outs(%q : tensor<?x16xf32>) heads 4 scale 5.0e-01 window 0 sinks 2 -> tensor<?x16xf32>
  return
}

// -----

// packed.matmul_tile (C1)
func.func @f(%i: index, %x: memref<?x31xf32>, %y: memref<?x32xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects 32 input columns (C2), but got 31}}
  packed.matmul_tile %i ins(%x : memref<?x31xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%y : memref<?x32xf32>) config <tokens = 1, accumulators = 4, prefetch = 0>
  return
}

// -----

// packed.matmul_tile (C2): rows with a gap between them
func.func @f(%i: index, %x: memref<?x32xf32, strided<[40, 1]>>, %y: memref<?x32xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects contiguous inputs (C2), but got 'memref<?x32xf32, strided<[40, 1]>>'}}
  packed.matmul_tile %i ins(%x : memref<?x32xf32, strided<[40, 1]>>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%y : memref<?x32xf32>) config <tokens = 1, accumulators = 4, prefetch = 0>
  return
}

// -----

// packed.matmul_tile (C3): a piece of the tokens that begins nowhere
func.func @f(%i: index, %x: memref<?x32xf32>, %y: memref<?x32xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects a first token and piece_tokens together (C3)}}
  packed.matmul_tile %i ins(%x : memref<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%y : memref<?x32xf32>)
      config <tokens = 1, accumulators = 4, prefetch = 0, piece_tokens = 64>
  return
}

// -----

// packed.matmul_tile (C3): a first token, and no number of them
func.func @f(%i: index, %x: memref<?x32xf32>, %y: memref<?x32xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{expects a first token and piece_tokens together (C3)}}
  packed.matmul_tile %i tokens from %i ins(%x : memref<?x32xf32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%y : memref<?x32xf32>) config <tokens = 1, accumulators = 4, prefetch = 0>
  return
}

// -----

// packed.matmul_tile (C1): an input that is no matrix
func.func @f(%i: index, %x: memref<f32>, %y: memref<?x32xf32>,
             %w: !packed.weight<32x32, #packed.layout<dense, bf16>>) {
  // expected-error @+1 {{must be variadic of}}
  packed.matmul_tile %i ins(%x : memref<f32>)
      weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
      outs(%y : memref<?x32xf32>) config <tokens = 1, accumulators = 4, prefetch = 0>
  return
}

// -----

// packed.attention_tile (C1)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: memref<?x12xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects heads that are a positive multiple of 2 (C1), but got 3}}
  packed.attention_tile %i, %i tokens 1 ins(%q : memref<?x12xf32>) cache(%cache[%i, %i] : !cache)
      outs(%q : memref<?x12xf32>) heads 3 scale 5.0e-01 window 0
  return
}

// -----

// packed.attention_tile (C2)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 128>
func.func @f(%q: memref<?x16xf32>, %p: memref<8x32xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects positive tokens (C2), but got 0}}
  packed.attention_tile %i, %i tokens 0 ins(%q : memref<?x16xf32>)
      cache(%cache[%i, %i] : !cache) outs(%q : memref<?x16xf32>) heads 4 scale 5.0e-01 window 0
  return
}

// -----

// packed.attention_tile (C3)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 128>
func.func @f(%q: memref<?x16xf32>, %p: memref<8x32xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects a piece, piece_keys and partials together (C3)}}
  packed.attention_tile %i, %i tokens 1 ins(%q : memref<?x16xf32>)
      cache(%cache[%i, %i] : !cache) outs(%q : memref<?x16xf32>) heads 4 scale 5.0e-01 window 0 {piece_keys = 64}
  return
}

// -----

// packed.attention_tile (C4)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 128>
func.func @f(%q: memref<?x16xf32>, %p: memref<8x32xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects piece_keys that are a positive multiple of 64 (C4), but got 65}}
  packed.attention_tile %i, %i tokens 1 ins(%q : memref<?x16xf32>)
      cache(%cache[%i, %i] : !cache) outs(%q : memref<?x16xf32>) piece %i of 65 partials(%p : memref<8x32xf32>) heads 4 scale 5.0e-01 window 0
  return
}

// -----

// packed.attention_tile (C4): pieces of several tokens
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 128>
func.func @f(%q: memref<?x16xf32>, %p: memref<8x32xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects one token with partials (C4), but got 2}}
  packed.attention_tile %i, %i tokens 2 ins(%q : memref<?x16xf32>)
      cache(%cache[%i, %i] : !cache) outs(%q : memref<?x16xf32>) piece %i of 64 partials(%p : memref<8x32xf32>) heads 4 scale 5.0e-01 window 0
  return
}

// -----

// packed.attention_tile (C5)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 128>
func.func @f(%q: memref<?x16xf32>, %p: memref<6x32xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects partials of a multiple of 4 rows and 32 columns (C5), but got 'memref<6x32xf32>'}}
  packed.attention_tile %i, %i tokens 1 ins(%q : memref<?x16xf32>)
      cache(%cache[%i, %i] : !cache) outs(%q : memref<?x16xf32>) piece %i of 64 partials(%p : memref<6x32xf32>) heads 4 scale 5.0e-01 window 0
  return
}

// -----

// packed.attention_combine (C1)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 128>
func.func @f(%q: memref<?x16xf32>, %p: memref<8x32xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects outs with the columns of heads, a positive multiple of 2 (C1), but got 'memref<?x16xf32>'}}
  packed.attention_combine %i, %i ins(%p : memref<8x32xf32>) cache(%cache : !cache)
      outs(%q : memref<?x16xf32>) heads 3
  return
}

// -----

// packed.attention_combine (C2)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 128>
func.func @f(%q: memref<?x16xf32>, %p: memref<8x31xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects partials of a multiple of 4 rows and 32 columns (C2), but got 'memref<8x31xf32>'}}
  packed.attention_combine %i, %i ins(%p : memref<8x31xf32>) cache(%cache : !cache)
      outs(%q : memref<?x16xf32>) heads 4
  return
}

// -----

// packed.dot4 (C1)
func.func @f(%acc: vector<16xi32>, %w: vector<32xi8>) {
  // expected-error @+1 {{expects four bytes per accumulator lane (C1), but got 32 bytes for 16 lanes}}
  %r = packed.dot4 %acc, %w, %w : vector<16xi32>, vector<32xi8>
  return
}

// -----

// packed.dot4 (C2)
func.func @f(%acc: vector<16xi32>, %w: vector<64xi8>) {
  // expected-error @+1 {{expects bits in [1, 8] (C2), but got 9}}
  %r = packed.dot4 %acc, %w, %w bits 9 : vector<16xi32>, vector<64xi8>
  return
}

// -----

// packed.dot8x2 (C1)
func.func @f(%acc: vector<32xi32>, %w: vector<64xi8>, %x: vector<16xi8>) {
  // expected-error @+1 {{expects four unsigned bytes per accumulator lane (C1), but got 64 bytes for 32 lanes}}
  %r = packed.dot8x2 %acc, %w, %x : vector<32xi32>, vector<64xi8>
  return
}

// -----

// packed.dot8x2 (C2)
func.func @f(%acc: vector<6xi32>, %w: vector<24xi8>, %x: vector<16xi8>) {
  // expected-error @+1 {{expects accumulator lanes that are a multiple of 4 (C2), but got 6}}
  %r = packed.dot8x2 %acc, %w, %x : vector<6xi32>, vector<24xi8>
  return
}

// -----

// packed.dot8x2 (C3)
func.func @f(%acc: vector<32xi32>, %w: vector<128xi8>, %x: vector<16xi8>) {
  // expected-error @+1 {{expects bits in [1, 8] (C3), but got 0}}
  %r = packed.dot8x2 %acc, %w, %x bits 0 : vector<32xi32>, vector<128xi8>
  return
}

// -----

// packed.dot8x2: two tokens
func.func @f(%acc: vector<32xi32>, %w: vector<128xi8>, %x: vector<8xi8>) {
  // expected-error @+1 {{must be vector of 16 8-bit integers, but got 'vector<8xi8>'}}
  %r = "packed.dot8x2"(%acc, %w, %x) : (vector<32xi32>, vector<128xi8>, vector<8xi8>) -> vector<32xi32>
  return
}

// -----

// packed.matmul (C1): split activations of sparse f32
func.func @f(%x: tensor<?x64xf32>, %h: tensor<?x192xbf16>, %y: tensor<?x16xf32>,
             %w: !packed.weight<16x64, #packed.layout<bitmap, f32>>) {
  // expected-error @+1 {{expects 1 inputs for this layout (C1), but got 2}}
  %z = packed.matmul ins(%x, %h : tensor<?x64xf32>, tensor<?x192xbf16>)
      weight(%w : !packed.weight<16x64, #packed.layout<bitmap, f32>>)
      outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}

// -----

// packed.matmul (C2): columns of sparse floats
func.func @f(%x: tensor<?x64xf32>, %y: tensor<?x16xf32>,
             %w: !packed.weight<16x40, #packed.layout<bitmap, bf16>>) {
  // expected-error @+1 {{expects 40 input columns (C2), but got 64}}
  %z = packed.matmul ins(%x : tensor<?x64xf32>)
      weight(%w : !packed.weight<16x40, #packed.layout<bitmap, bf16>>)
      outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}

// -----

// packed.gather (C1): sparse floats
func.func @f(%t: tensor<?xi32>, %y: tensor<?x64xf32>,
             %w: !packed.weight<16x64, #packed.layout<bitmap, bf16>>) {
  // expected-error @+1 {{expects a rows or dense float layout (C1), but got #packed.layout<bitmap, bf16>}}
  %z = packed.gather ins(%t : tensor<?xi32>)
      table(%w : !packed.weight<16x64, #packed.layout<bitmap, bf16>>)
      outs(%y : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

// packed.expand (C1)
func.func @f(%w: vector<32xi8>, %mask: i64) {
  // expected-error @+1 {{must be vector of 8-bit signless integer values of length 64}}
  %e = packed.expand %w, %w, %mask : vector<32xi8>
  return
}

// -----

// packed.dot4 (C3)
func.func @f(%acc: vector<16xi32>, %w: vector<64xi8>) {
  // expected-error @+1 {{expects signed_bits in [1, 8] (C3), but got 0}}
  %r = packed.dot4 %acc, %w, %w bits 4 signed_bits 0 : vector<16xi32>, vector<64xi8>
  return
}

// -----

// packed.select16 (C1)
func.func @f(%w: vector<32xi8>) {
  // expected-error @+1 {{must be vector of 8-bit signless integer values of length 64}}
  %e = packed.select16 %w, %w : vector<32xi8>
  return
}

// -----

// packed.select64 (C1)
func.func @f(%w: vector<32xi8>) {
  // expected-error @+1 {{must be vector of 8-bit signless integer values of length 64}}
  %e = packed.select64 %w, %w : vector<32xi8>
  return
}

// -----

// packed.tile_dot (C1)
func.func @f(%p: !llvm.ptr) {
  // expected-error @+1 {{expects tokens in [1, 16] (C1), but got 17}}
  packed.tile_dot %p, %p stride 64, %p tokens 17 columns 64
  return
}

// -----

// packed.tile_dot (C2)
func.func @f(%p: !llvm.ptr) {
  // expected-error @+1 {{expects columns that are a multiple of 4 in [4, 128] (C2), but got 6}}
  packed.tile_dot %p, %p stride 64, %p tokens 1 columns 6
  return
}

// -----

// packed.tile_dot_bf16 (C1)
func.func @f(%p: !llvm.ptr) {
  // expected-error @+1 {{expects rows in [1, 64] (C1), but got 65}}
  packed.tile_dot_bf16 %p, %p stride 64, %p rows 65 columns 32
  return
}

// -----

// packed.tile_dot_bf16 (C2)
func.func @f(%p: !llvm.ptr) {
  // expected-error @+1 {{expects columns in [1, 256] (C2), but got 257}}
  packed.tile_dot_bf16 %p, %p stride 1024, %p rows 1 columns 257
  return
}

// -----

// packed.tile_dot_bf16 (C3): the inputs are read up to column 64
func.func @f(%p: !llvm.ptr) {
  // expected-error @+1 {{expects a stride of at least 128 (C3), but got 80}}
  packed.tile_dot_bf16 %p, %p stride 80, %p rows 1 columns 40
  return
}

// -----

// packed.tile_dot (C3)
func.func @f(%p: !llvm.ptr) {
  // expected-error @+1 {{expects a stride of at least 64 (C3), but got 60}}
  packed.tile_dot %p, %p stride 60, %p tokens 1 columns 64
  return
}

// -----

// packed.rotary (C4)
func.func @rotary(%x: memref<?x8xf32>, %c: memref<?x2xf32>) {
  // expected-error @+1 {{expects a head_dim of 0 or at least 4 (C4), but got 2}}
  packed.rotary ins(%x, %c, %c : memref<?x8xf32>, memref<?x2xf32>, memref<?x2xf32>)
      outs(%x : memref<?x8xf32>) head_dim 2
  return
}

// -----

// packed.rms_norm (C1)
func.func @rms_norm(%x: memref<?x8xf32>, %w: memref<4xf32>) {
  // expected-error @+1 {{expects positive groups and one weight value per column of a group, or of all (C1), but got 1 groups and 4 values for 8 columns}}
  packed.rms_norm ins(%x, %w : memref<?x8xf32>, memref<4xf32>) outs(%x : memref<?x8xf32>)
      groups 1 epsilon 0.0
  return
}

// -----

// packed.rms_norm (C1): columns that groups do not divide
func.func @rms_norm(%x: memref<?x8xf32>, %w: memref<8xf32>) {
  // expected-error @+1 {{or of all (C1), but got 3 groups and 8 values for 8 columns}}
  packed.rms_norm centred ins(%x, %w : memref<?x8xf32>, memref<8xf32>) outs(%x : memref<?x8xf32>)
      groups 3 epsilon 0.0
  return
}

// -----

// packed.rms_norm (C2)
func.func @rms_norm(%x: memref<?x8xf32>, %w: memref<4xf32>) {
  // expected-error @+1 {{expects a finite, non-negative epsilon (C2), but got -1}}
  packed.rms_norm ins(%x, %w : memref<?x8xf32>, memref<4xf32>) outs(%x : memref<?x8xf32>)
      groups 2 epsilon -1.0
  return
}

// -----

// packed.rms_norm (C3)
func.func @rms_norm(%x: memref<?x8xf32>, %w: memref<4xf32>, %y: memref<?x4xf32>) {
  // expected-error @+1 {{expects outs of the input's shape (C3)}}
  packed.rms_norm ins(%x, %w : memref<?x8xf32>, memref<4xf32>) outs(%y : memref<?x4xf32>)
      groups 2 epsilon 0.0
  return
}

// -----

// packed.attention (C6)
func.func @attention(%q: memref<?x16xf32>, %layer: index, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects a finite, non-negative soft_cap (C6), but got -1}}
  packed.attention ins(%q : memref<?x16xf32>)
      cache(%cache[%layer, %position] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      outs(%q : memref<?x16xf32>) heads 4 scale 5.0e-01 window 0 soft_cap -1.0
  return
}

// -----

// packed.top_k_gate (C1)
func.func @f(%x: memref<?x8xf32>) {
  // expected-error @+1 {{expects k from 1 to 8 (C1), but got 0}}
  packed.top_k_gate ins(%x : memref<?x8xf32>) outs(%x : memref<?x8xf32>) k 0
  return
}

// -----

// packed.top_k_gate (C2)
func.func @f(%x: memref<?x8xf32>, %y: memref<?x4xf32>) {
  // expected-error @+1 {{expects out of the logits' shape (C2), but got 'memref<?x4xf32>'}}
  packed.top_k_gate ins(%x : memref<?x8xf32>) outs(%y : memref<?x4xf32>) k 2
  return
}

// -----

// packed.grouped_gate (C2)
func.func @f(%x: memref<?x8xf32>) {
  // expected-error @+1 {{expects groups that divide 8 columns, and as many or fewer that are kept (C2), but got 0 and 1}}
  packed.grouped_gate ins(%x : memref<?x8xf32>) outs(%x : memref<?x8xf32>) k 1 groups 0 kept 1 best 1 scale 1.0
  return
}

// -----

// packed.grouped_gate (C4)
func.func @f(%x: memref<?x8xf32>, %b: memref<7xf32>) {
  // expected-error @+1 {{expects a correction of 8 numbers (C4), but got 7}}
  packed.grouped_gate ins(%x : memref<?x8xf32>) correction(%b : memref<7xf32>) outs(%x : memref<?x8xf32>)
      k 1 groups 1 kept 1 best 1 scale 1.0
  return
}

// -----

// packed.grouped_gate (C6)
func.func @f(%x: memref<?x8xf32>, %y: memref<?x4xf32>) {
  // expected-error @+1 {{expects out of the scores' shape (C6), but got 'memref<?x4xf32>'}}
  packed.grouped_gate ins(%x : memref<?x8xf32>) outs(%y : memref<?x4xf32>) k 1 groups 1 kept 1 best 1 scale 1.0
  return
}

// -----

// packed.select_tokens (C1)
func.func @f(%x: memref<?x8xf32>, %y: memref<4xi32>, %e: index) {
  // expected-error @+1 {{expects out with as many elements as tokens (C1), but got 'memref<4xi32>' for 'memref<?x8xf32>'}}
  packed.select_tokens ins(%x[%e] : memref<?x8xf32>) outs(%y : memref<4xi32>)
  return
}

// -----

// packed.gather_tokens (C1)
func.func @f(%x: memref<?x8xf32>, %t: memref<?xi32>, %y: memref<?x4xf32>) {
  // expected-error @+1 {{expects out with 8 columns (C1), but got 4}}
  packed.gather_tokens ins(%x, %t : memref<?x8xf32>, memref<?xi32>) outs(%y : memref<?x4xf32>)
  return
}

// -----

// packed.scatter_add (C1)
func.func @f(%x: memref<?x8xf32>, %g: memref<?x2xf32>, %y: memref<?x4xf32>, %e: index) {
  // expected-error @+1 {{expects out with 8 columns (C1), but got 4}}
  packed.scatter_add ins(%x : memref<?x8xf32>) gates(%g[%e] : memref<?x2xf32>) outs(%y : memref<?x4xf32>)
  return
}

// -----

// packed.scatter_add (C2)
func.func @f(%x: memref<?x8xf32>, %g: memref<1x2xf32>, %y: memref<?x8xf32>, %e: index) {
  // expected-error @+1 {{expects out with the gates' tokens (C2), but got 'memref<?x8xf32>' for 'memref<1x2xf32>'}}
  packed.scatter_add ins(%x : memref<?x8xf32>) gates(%g[%e] : memref<1x2xf32>) outs(%y : memref<?x8xf32>)
  return
}

// -----

// packed.attention (C7)
func.func @attention(%q: tensor<?x16xf32>, %y0: tensor<?x16xf32>, %i: index, %b: tensor<30xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects a bias of a multiple of 4 numbers (C7), but got 30}}
  %y = packed.attention ins(%q : tensor<?x16xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      bias(%b : tensor<30xf32>) within 16 outs(%y0 : tensor<?x16xf32>) heads 4 scale 5.0e-01 window 0 -> tensor<?x16xf32>
  return
}

// -----

// packed.attention (C8)
func.func @attention(%q: tensor<?x16xf32>, %y0: tensor<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects 4 slopes (C8), but got 1}}
  %y = packed.attention ins(%q : tensor<?x16xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      outs(%y0 : tensor<?x16xf32>) heads 4 scale 5.0e-01 window 0 slopes [0.5] -> tensor<?x16xf32>
  return
}

// -----

// packed.attention (C9)
func.func @attention(%q: tensor<?x16xf32>, %y0: tensor<?x16xf32>, %i: index, %s: tensor<3xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects 4 sink logits (C9), but got 3}}
  %y = packed.attention ins(%q : tensor<?x16xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      sink_logits(%s : tensor<3xf32>) outs(%y0 : tensor<?x16xf32>) heads 4 scale 5.0e-01 window 0 -> tensor<?x16xf32>
  return
}

// -----

// packed.attention (C10)
func.func @attention(%q: tensor<?x16xf32>, %y0: tensor<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects no window beside a pattern (C10), but got 3}}
  %y = packed.attention ins(%q : tensor<?x16xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      outs(%y0 : tensor<?x16xf32>) heads 4 scale 5.0e-01 window 3 pattern "strided:4" -> tensor<?x16xf32>
  return
}

// -----

// packed.attention_tile (C1), packed.attention's (C10)
func.func @attention(%q: memref<?x16xf32>, %y: memref<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects an attention pattern (C10)}}
  packed.attention_tile %i, %i tokens 2 ins(%q : memref<?x16xf32>)
      cache(%cache[%i, %i] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
      outs(%y : memref<?x16xf32>) heads 4 scale 5.0e-01 window 0 pattern "strided"
  return
}
