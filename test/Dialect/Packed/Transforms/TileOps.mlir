// packed-tile-ops: attention becomes key/value heads x tiles of tokens, or x pieces of the cache;
// splitting activations, tokens; long rows of one token blocks of columns.
// RUN: stc-opt %s --packed-tile-ops | FileCheck %s
// RUN: stc-opt %s --packed-tile-ops='rows-per-tile=4 piece-keys=64' | FileCheck %s --check-prefix=SMALL
// RUN: stc-opt %s --packed-tile-ops=split-columns=10000 | FileCheck %s --check-prefix=WHOLE
// RUN: not stc-opt %s --packed-tile-ops=rows-per-tile=0 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not stc-opt %s --packed-tile-ops=piece-keys=100 2>&1 | FileCheck %s --check-prefix=KEYS
// ROWS: error: packed-tile-ops: expects rows-per-tile of at least 1, but got 0
// KEYS: error: packed-tile-ops: expects piece-keys that are a multiple of 64, but got 100

!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 16, capacity = 1024, element = f16>

// Four query heads for each key/value head: eight tokens make 32 rows.
// CHECK-LABEL: @tokens
// CHECK: scf.forall (%[[HEAD:.*]], %{{.*}}) in (2, %{{.*}}) {
// CHECK: packed.attention_tile %[[HEAD]], %{{.*}} tokens 8 ins(
// SMALL-LABEL: @tokens
// SMALL: packed.attention_tile %{{.*}}, %{{.*}} tokens 1 ins(
func.func @tokens(%q: memref<?x128xf32>, %y: memref<?x128xf32>, %c: !cache, %l: index, %p: index) {
  packed.attention ins(%q : memref<?x128xf32>) cache(%c[%l, %p] : !cache)
      outs(%y : memref<?x128xf32>) heads 8 scale 2.5e-01 window 0
  return
}

// One token: as many pieces as its position needs, then eight heads.
// CHECK-LABEL: @one
// CHECK-SAME: %[[P:[a-z0-9]*]]: index)
// CHECK: %[[PARTIALS:.*]] = memref.alloc() : memref<16x32xf32>
// CHECK: arith.divui %[[P]], %
// CHECK: %[[PIECES:.*]] = arith.divui
// CHECK: scf.forall (%[[HEAD:.*]], %[[PIECE:.*]]) in (2, %[[PIECES]]) {
// CHECK: packed.attention_tile %[[HEAD]], %{{.*}} tokens 1 {{.*}} piece %[[PIECE]] of 512 partials(%[[PARTIALS]] :
// CHECK: scf.forall (%[[HEAD:.*]]) in (8) {
// CHECK: packed.attention_combine %[[HEAD]], %[[PIECES]] ins(%[[PARTIALS]] :
// SMALL-LABEL: @one
// SMALL: memref.alloc() : memref<128x32xf32>
func.func @one(%q: memref<1x128xf32>, %y: memref<1x128xf32>, %c: !cache, %l: index, %p: index) {
  packed.attention ins(%q : memref<1x128xf32>) cache(%c[%l, %p] : !cache)
      outs(%y : memref<1x128xf32>) heads 8 scale 2.5e-01 window 0
  return
}

// A window that fits a piece needs no pieces, whatever the capacity.
// CHECK-LABEL: @window
// CHECK-NOT: memref.alloc
// CHECK: scf.forall (%[[HEAD:.*]], %{{.*}}) in (2, 1) {
// CHECK: packed.attention_tile %[[HEAD]], %{{.*}} tokens 1 ins({{.*}} window 200 sinks 4
func.func @window(%q: memref<1x128xf32>, %y: memref<1x128xf32>, %c: !cache, %l: index, %p: index) {
  packed.attention ins(%q : memref<1x128xf32>) cache(%c[%l, %p] : !cache)
      outs(%y : memref<1x128xf32>) heads 8 scale 2.5e-01 window 200 sinks 4
  return
}

// Pieces of what a pattern shows, which a loop counts without reading anything.
// CHECK-LABEL: @pattern
// CHECK: memref.alloc() : memref<16x32xf32>
// CHECK: %[[SEEN:.*]] = scf.for %{{.*}} iter_args(%[[BEFORE:.*]] = %
// CHECK: %[[IS:.*]] = arith.cmpi sle
// CHECK: %[[NEXT:.*]] = arith.addi %[[BEFORE]]
// CHECK: arith.select %[[IS]], %[[NEXT]], %[[BEFORE]]
// CHECK: %[[MORE:.*]] = arith.addi %[[SEEN]]
// CHECK: %[[PIECES:.*]] = arith.divui %[[MORE]]
// CHECK: scf.forall (%{{.*}}, %[[PIECE:.*]]) in (2, %[[PIECES]]) {
// CHECK: packed.attention_tile {{.*}} piece %[[PIECE]] of 512 {{.*}} pattern "dilated:32x16"
func.func @pattern(%q: memref<1x128xf32>, %y: memref<1x128xf32>, %c: !cache, %l: index, %p: index) {
  packed.attention ins(%q : memref<1x128xf32>) cache(%c[%l, %p] : !cache)
      outs(%y : memref<1x128xf32>) heads 8 scale 2.5e-01 window 0 pattern "dilated:32x16"
  return
}

// A table's rows say how many there are at most.
// CHECK-LABEL: @table
// CHECK: %[[MOST:.*]] = arith.constant 6 : index
// CHECK: arith.minsi %{{.*}}, %[[MOST]]
// CHECK-NOT: scf.for %
// CHECK: scf.forall
func.func @table(%q: memref<1x128xf32>, %y: memref<1x128xf32>, %c: !cache, %l: index, %p: index) {
  packed.attention ins(%q : memref<1x128xf32>) cache(%c[%l, %p] : !cache)
      outs(%y : memref<1x128xf32>) heads 8 scale 2.5e-01 window 0 pattern "bigbird:64x3+1+2@7"
  return
}

// As many pieces as there are positions up to the end, wherever the token is.
// CHECK-LABEL: @all
// CHECK-SAME: %[[P:[a-z0-9]*]]: index, %[[END:[a-z0-9]*]]: index)
// CHECK: %[[LAST:.*]] = arith.subi %[[END]], %
// CHECK: arith.divui %[[LAST]], %
// CHECK: packed.attention_tile {{.*}} to %[[END]] {{.*}} piece
// CHECK: packed.attention_combine
func.func @all(%q: memref<1x128xf32>, %y: memref<1x128xf32>, %c: !cache, %l: index, %p: index, %end: index) {
  packed.attention ins(%q : memref<1x128xf32>) cache(%c[%l, %p] : !cache) to %end
      outs(%y : memref<1x128xf32>) heads 8 scale 2.5e-01 window 0
  return
}

// A window to both sides is longer than a piece, which one to the past fits.
// CHECK-LABEL: @around
// CHECK: packed.attention_tile {{.*}} to %{{.*}} piece {{.*}} window 256
// CHECK-LABEL: @past
// CHECK-NOT: piece
func.func @around(%q: memref<1x128xf32>, %y: memref<1x128xf32>, %c: !cache, %l: index, %p: index, %end: index) {
  packed.attention ins(%q : memref<1x128xf32>) cache(%c[%l, %p] : !cache) to %end
      outs(%y : memref<1x128xf32>) heads 8 scale 2.5e-01 window 256
  return
}
func.func @past(%q: memref<1x128xf32>, %y: memref<1x128xf32>, %c: !cache, %l: index, %p: index) {
  packed.attention ins(%q : memref<1x128xf32>) cache(%c[%l, %p] : !cache)
      outs(%y : memref<1x128xf32>) heads 8 scale 2.5e-01 window 256
  return
}

// Row tiles that are turned together make one piece.
// CHECK-LABEL: @rotated
// CHECK: scf.forall (%[[PAIR:.*]]) in (4) {
// CHECK: packed.matmul_tile %[[PAIR]] {{.*}} rotary(
// CHECK: scf.forall (%[[PIECE:.*]]) in (2) {
// CHECK: %[[FIRST:.*]] = arith.muli %[[PIECE]]
// CHECK: packed.matmul_tile %[[FIRST]] {{.*}} gate <silu>({{.*}} rotary(
func.func @rotated(%x: memref<?x32xf32>, %y: memref<?x128xf32>, %c: memref<?x32xf32>,
                   %w: !packed.weight<128x32, #packed.layout<dense, bf16>>) {
  packed.matmul ins(%x : memref<?x32xf32>)
      weight(%w : !packed.weight<128x32, #packed.layout<dense, bf16>>)
      rotary(%c, %c : memref<?x32xf32>, memref<?x32xf32>) outs(%y : memref<?x128xf32>)
  packed.matmul ins(%x : memref<?x32xf32>)
      weight(%w : !packed.weight<128x32, #packed.layout<dense, bf16>>)
      gate <silu>(%y : memref<?x128xf32>)
      rotary(%c, %c : memref<?x32xf32>, memref<?x32xf32>) outs(%y : memref<?x128xf32>)
      config <tokens = 1, accumulators = 1, prefetch = 0, row_tiles = 2>
  return
}

// Work is divided by row tiles and by tokens; how many of those there are may be known.
// CHECK-LABEL: @divided
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<?x32xf32>
// CHECK: %[[TOKENS:.*]] = memref.dim %{{.*}}, %{{.*}} : memref<?x128xf32>
// CHECK: %[[MORE:.*]] = arith.addi %[[TOKENS]], %c63
// CHECK: %[[PIECES:.*]] = arith.divui %[[MORE]], %c64
// CHECK: scf.forall (%[[PIECE:.*]], %[[GROUP:.*]]) in (2, %[[PIECES]]) {
// CHECK: %[[TILE:.*]] = arith.muli %[[PIECE]], %c4
// CHECK: %[[FIRST:.*]] = arith.muli %[[GROUP]], %c64
// CHECK: packed.matmul_tile %[[TILE]] tokens from %[[FIRST]] ins(%[[X]] : {{.*}} row_tiles = 4, piece_tokens = 64>
// CHECK: scf.forall (%{{.*}}, %{{.*}}) in (2, 3) {
func.func @divided(%x: memref<?x32xf32>, %y: memref<?x128xf32>,
                   %x1: memref<150x32xf32>, %y1: memref<150x128xf32>,
                   %w: !packed.weight<128x32, #packed.layout<dense, bf16>>) {
  packed.matmul ins(%x : memref<?x32xf32>)
      weight(%w : !packed.weight<128x32, #packed.layout<dense, bf16>>) outs(%y : memref<?x128xf32>)
      config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 4, piece_tokens = 64>
  packed.matmul ins(%x1 : memref<150x32xf32>)
      weight(%w : !packed.weight<128x32, #packed.layout<dense, bf16>>)
      outs(%y1 : memref<150x128xf32>)
      config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 4, piece_tokens = 64>
  return
}

// Both halves of a token are made at once.
// CHECK-LABEL: @split
// CHECK-SAME: %[[X:.*]]: memref<?x40xf32>, %[[H:.*]]: memref<?x192xbf16>
// CHECK: %[[TOKENS:.*]] = memref.dim %[[X]]
// CHECK: scf.forall (%[[T:.*]]) in (%[[TOKENS]]) {
// CHECK: %[[ROW:.*]] = memref.subview %[[X]][%[[T]], 0] [1, 40] [1, 1]
// CHECK: %[[OUT:.*]] = memref.subview %[[H]][%[[T]], 0] [1, 192] [1, 1]
// CHECK: packed.split_activations ins(%[[ROW]] : {{.*}}) outs(%[[OUT]] :
func.func @split(%x: memref<?x40xf32>, %h: memref<?x192xbf16>) {
  packed.split_activations ins(%x : memref<?x40xf32>) outs(%h : memref<?x192xbf16>)
  return
}

// A long row of one token is divided, from as many columns on as the target says.

// CHECK-LABEL: func.func @permuted
// CHECK: scf.forall (%[[TOKEN:.*]]) in (%{{.*}}) {
// CHECK: scf.for %[[C:.*]] = %{{.*}} to %{{.*}} step %{{.*}} {
// CHECK: %[[PLACE:.*]] = memref.load %arg1[%[[C]]]
// CHECK: %[[NUMBER:.*]] = arith.fptoui %[[PLACE]] : f32 to i32
// CHECK: %[[FROM:.*]] = arith.index_castui %[[NUMBER]]
// CHECK: %[[X:.*]] = memref.load %arg0[%[[TOKEN]], %[[FROM]]]
// CHECK: memref.store %[[X]], %arg2[%[[TOKEN]], %[[C]]]
// CHECK: } {packed.columns}
func.func @permuted(%x: memref<?x8xf32>, %order: memref<8xf32>, %y: memref<?x8xf32>) {
  packed.permute_features ins(%x, %order : memref<?x8xf32>, memref<8xf32>) outs(%y : memref<?x8xf32>)
  return
}

// An order of more columns than there are may have zeros.
// CHECK-LABEL: func.func @spread
// CHECK: %[[PLACE:.*]] = memref.load %arg1[%[[C:.*]]]
// CHECK: %[[NONE:.*]] = arith.cmpf olt, %[[PLACE]], %[[ZERO:.*]] : f32
// CHECK: %[[SAFE:.*]] = arith.select %[[NONE]], %[[ZERO]], %[[PLACE]]
// CHECK: arith.fptoui %[[SAFE]]
// CHECK: %[[X:.*]] = memref.load %arg0
// CHECK: %[[Y:.*]] = arith.select %[[NONE]], %[[ZERO]], %[[X]]
// CHECK: memref.store %[[Y]], %arg2
func.func @spread(%x: memref<?x8xf32>, %order: memref<12xf32>, %y: memref<?x12xf32>) {
  packed.permute_features ins(%x, %order : memref<?x8xf32>, memref<12xf32>) outs(%y : memref<?x12xf32>)
  return
}

// A thread's columns of an order may lie anywhere in the row.
// CHECK-LABEL: func.func @long_ordered_rows
// CHECK: scf.forall (%{{.*}}, %{{.*}}) in (1, 16) {
// CHECK: %[[PART:.*]] = memref.subview %arg1[%{{.*}}] [512] [1]
// CHECK: packed.quantize_activations ins(%{{.*}} : memref<1x8192xf32{{.*}}) order(%[[PART]] : memref<512xf32
func.func @long_ordered_rows(%x: memref<1x8192xf32>, %order: memref<8192xf32>,
    %codes: memref<1x8192xi8>, %scales: memref<1x64xf32>, %sums: memref<1x64xi32>) {
  packed.quantize_activations ins(%x : memref<1x8192xf32>) order(%order : memref<8192xf32>)
      outs(%codes, %scales, %sums : memref<1x8192xi8>, memref<1x64xf32>, memref<1x64xi32>)
      group 128 sum_factor 0 offset 0
  return
}

// CHECK-LABEL: func.func @long_rows
// CHECK: scf.forall (%{{.*}}, %{{.*}}) in (1, 16) {
// CHECK: packed.quantize_activations ins(%{{.*}} : memref<1x512xf32
// WHOLE-LABEL: func.func @long_rows
// WHOLE: scf.forall (%{{.*}}) in (1) {
// WHOLE: packed.quantize_activations ins(%{{.*}} : memref<1x8192xf32
func.func @long_rows(%x: memref<1x8192xf32>, %codes: memref<1x8192xi8>, %scales: memref<1x64xf32>,
    %sums: memref<1x64xi32>) {
  packed.quantize_activations ins(%x : memref<1x8192xf32>)
      outs(%codes, %scales, %sums : memref<1x8192xi8>, memref<1x64xf32>, memref<1x64xi32>)
      group 128 sum_factor 0 offset 0
  return
}

// Groups of a long row are divided, each with the part of the weight that is its own, where it has one.

// CHECK-LABEL: func.func @groups
// CHECK-SAME: %[[X:.*]]: memref<1x8192xf32>, %[[SHARED:.*]]: memref<128xf32>, %[[OWN:.*]]: memref<8192xf32>
// CHECK: scf.forall (%{{.*}}, %[[G:.*]]) in (1, 64) {
// CHECK: packed.rms_norm ins(%{{.*}}, %[[SHARED]] : memref<1x128xf32, {{.*}}>, memref<128xf32>) outs({{.*}}) groups 1
// CHECK: scf.forall (%{{.*}}, %[[G:.*]]) in (1, 64) {
// CHECK: %[[COLUMN:.*]] = arith.muli %[[G]], %
// CHECK: %[[PART:.*]] = memref.subview %[[OWN]][%[[COLUMN]]] [128] [1]
// CHECK: packed.rms_norm centred ins(%{{.*}}, %[[PART]] : memref<1x128xf32, {{.*}}>, memref<128xf32, {{.*}}>) outs({{.*}}) groups 1
// WHOLE-LABEL: func.func @groups
// WHOLE: packed.rms_norm ins({{.*}} groups 64
// WHOLE: packed.rms_norm centred ins({{.*}}, memref<8192xf32>) {{.*}} groups 64
func.func @groups(%x: memref<1x8192xf32>, %shared: memref<128xf32>, %own: memref<8192xf32>) {
  packed.rms_norm ins(%x, %shared : memref<1x8192xf32>, memref<128xf32>)
      outs(%x : memref<1x8192xf32>) groups 64 epsilon 1.0e-05
  packed.rms_norm centred ins(%x, %own : memref<1x8192xf32>, memref<8192xf32>)
      outs(%x : memref<1x8192xf32>) groups 64 epsilon 1.0e-05
  return
}
