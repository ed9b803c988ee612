// RUN: stc-opt %s --stc-emit-entry-points | FileCheck %s
// RUN: stc-opt %s --stc-emit-entry-points=variant=3 | FileCheck %s --check-prefix=VARIANT

// One of several variants is numbered, and its constants are left to their table.
// VARIANT-NOT: stc_model_abi_version
// VARIANT-NOT: stc_model_fingerprint
// VARIANT: func.func @stc_model_prefill_3
// VARIANT: func.func @stc_model_decode_3

!norm = !packed.weight<1x4, #packed.layout<rows, f32>>
!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 4, capacity = 16>

// CHECK-LABEL: module attributes {stc.fingerprint = 7 : i64}
// CHECK-DAG: llvm.mlir.global external constant @stc_model_abi_version(5 : i32)
// CHECK-DAG: llvm.mlir.global external constant @stc_model_fingerprint(7 : i64)
// CHECK-DAG: llvm.func @stc_rt_barrier(!llvm.ptr)
// CHECK-DAG: llvm.mlir.global internal constant @weight_offsets(dense<[0, 192, 384, 576]> : tensor<4xi64>)
// CHECK-NOT: packed.weight @
module attributes {stc.fingerprint = 7 : i64} {

packed.weight @a.0 : !norm offset 0 bytes 192 density 1.0
packed.weight @b.0 : !norm offset 192 bytes 192 density 1.0
packed.weight @a.1 : !norm offset 384 bytes 192 density 1.0
packed.weight @b.1 : !norm offset 576 bytes 192 density 1.0

// Every function gets frame, thread and threads, and what it needs from them.

// CHECK-LABEL: func.func private @layer
// CHECK-SAME: (%[[FRAME:.*]]: !llvm.ptr, %[[T:.*]]: i64, %[[N:.*]]: i64, %{{.*}}: !packed.weight<{{.*}}>) attributes {llvm.linkage = #llvm.linkage<internal>}
// CHECK: %[[THREAD:.*]] = arith.index_cast %[[T]] : i64 to index
// CHECK: %[[THREADS:.*]] = arith.index_cast %[[N]] : i64 to index
// CHECK: %[[ARENA_AT:.*]] = llvm.mlir.constant(8 : i64)
// CHECK: %[[ARENA_FIELD:.*]] = llvm.getelementptr %[[FRAME]][%[[ARENA_AT]]]
// CHECK: %[[ARENA:.*]] = llvm.load %[[ARENA_FIELD]] invariant
// CHECK: %[[OFFSET:.*]] = llvm.mlir.constant(128 : i64)
// CHECK: %[[START:.*]] = llvm.getelementptr %[[ARENA]][%[[OFFSET]]]
// CHECK: %[[S:.*]] = packed.buffer %[[START]](%[[THREADS]]) : memref<?xf32>
// CHECK: %[[P:.*]] = packed.pointer
// CHECK: packed.buffer %[[P]]() : memref<4xf32>
// CHECK: %[[SYNC_AT:.*]] = llvm.mlir.constant(72 : i64)
// CHECK: %[[SYNC_FIELD:.*]] = llvm.getelementptr %[[FRAME]][%[[SYNC_AT]]]
// CHECK: %[[SYNC:.*]] = llvm.load %[[SYNC_FIELD]] invariant
// CHECK: llvm.call @stc_rt_barrier(%[[SYNC]])
func.func private @layer(%w: !norm) {
  %thread, %threads = packed.thread
  %s = packed.scratch(%threads) offset 128 bytes 4096 : memref<?xf32>
  %v = packed.vector %w : !norm -> memref<4xf32>
  %a = memref.load %v[%thread] : memref<4xf32>
  memref.store %a, %s[%thread] : memref<?xf32>
  packed.barrier
  return
}

// CHECK-LABEL: func.func private @prefill
// CHECK-SAME: (%[[FRAME:.*]]: !llvm.ptr, %[[T:.*]]: i64, %[[N:.*]]: i64, %{{.*}}: memref<?xi32>, %[[LAYER:.*]]: index
// CHECK: %[[LAYER64:.*]] = arith.index_cast %[[LAYER]] : index to i64
// Two heads of one block of 64 positions: 4 numbers in a key, 16 in a value.
// CHECK: %[[KEY_BYTES:.*]] = llvm.mlir.constant(2048 : i64)
// CHECK: %[[KEY_OFFSET:.*]] = arith.muli %[[LAYER64]], %[[KEY_BYTES]]
// CHECK: %[[KEYS:.*]] = llvm.load %{{.*}} invariant
// CHECK: llvm.getelementptr %[[KEYS]][%[[KEY_OFFSET]]]
// CHECK: %[[VALUE_BYTES:.*]] = llvm.mlir.constant(8192 : i64)
// CHECK: %[[VALUE_OFFSET:.*]] = arith.muli %[[LAYER64]], %[[VALUE_BYTES]]
// CHECK: %[[VALUES:.*]] = llvm.load %{{.*}} invariant
// CHECK: llvm.getelementptr %[[VALUES]][%[[VALUE_OFFSET]]]
// CHECK: %[[PER_ROW:.*]] = llvm.mlir.constant(2 : i64)
// CHECK: %[[FIRST:.*]] = arith.muli %{{.*}}, %[[PER_ROW]]
// CHECK: %[[TABLE:.*]] = llvm.mlir.addressof @weight_offsets
// CHECK: llvm.getelementptr %[[TABLE]][%[[FIRST]]] : (!llvm.ptr, i64) -> !llvm.ptr, i64
// CHECK: %[[WEIGHTS:.*]] = llvm.load
// CHECK: call @layer(%[[FRAME]], %[[T]], %[[N]],
func.func @prefill(%tokens: memref<?xi32>, %position: index, %cache: !cache,
                   %hidden: memref<?x4xf32>) {
  %k, %v = packed.cache_pointers %cache[%position] : !cache
  llvm.store %k, %v : !llvm.ptr, !llvm.ptr
  %w:2 = packed.weight_row %position of [[@a.0, @b.0], [@a.1, @b.1]] : !norm, !norm
  func.call @layer(%w#1) : (!norm) -> ()
  return
}

// CHECK-LABEL: func.func private @decode
// CHECK: llvm.mlir.constant(384 : i64)
func.func @decode(%tokens: memref<1xi32>, %position: index, %encoded: index, %cache: !cache,
                  %logits: memref<1x8xf32>) {
  %w = packed.get_weight @a.1 : !norm
  func.call @layer(%w) : (!norm) -> ()
  return
}

func.func @score(%hidden: memref<?x4xf32>, %logits: memref<?x8xf32>) {
  return
}

// Features in place of tokens.
func.func @encode(%features: memref<?x6xf32>, %cache: !cache) {
  return
}
}

// The entry points read the frame: tokens at 32, their number at 40, the position at 48, hidden
// at 56, logits at 64, encoded positions at 80, features at 88.

// CHECK-LABEL: func.func @stc_model_prefill
// CHECK-SAME: (%[[FRAME:.*]]: !llvm.ptr, %[[T:.*]]: i64, %[[N:.*]]: i64)
// CHECK: llvm.mlir.constant(32 : i64)
// CHECK: %[[TOKENS_AT:.*]] = llvm.load
// CHECK: llvm.mlir.constant(40 : i64)
// CHECK: %[[COUNT:.*]] = arith.index_cast
// CHECK: %[[TOKENS:.*]] = packed.buffer %[[TOKENS_AT]](%[[COUNT]]) : memref<?xi32>
// CHECK: llvm.mlir.constant(48 : i64)
// CHECK: %[[POSITION:.*]] = arith.index_cast
// CHECK: %[[CACHE:.*]] = builtin.unrealized_conversion_cast %[[FRAME]] : !llvm.ptr to !stc.kv_cache
// CHECK: llvm.mlir.constant(56 : i64)
// CHECK: %[[HIDDEN:.*]] = packed.buffer {{.*}} : memref<?x4xf32>
// CHECK: call @prefill(%[[FRAME]], %[[T]], %[[N]], %[[TOKENS]], %[[POSITION]], %[[CACHE]], %[[HIDDEN]])
// CHECK-LABEL: func.func @stc_model_decode
// CHECK: packed.buffer {{.*}}() : memref<1xi32>
// CHECK: llvm.mlir.constant(48 : i64)
// CHECK: llvm.mlir.constant(80 : i64)
// CHECK: llvm.mlir.constant(64 : i64)
// CHECK: packed.buffer {{.*}}() : memref<1x8xf32>
// CHECK-LABEL: func.func @stc_model_score
// CHECK: llvm.mlir.constant(56 : i64)
// CHECK: packed.buffer {{.*}} : memref<?x4xf32>
// CHECK: llvm.mlir.constant(64 : i64)
// CHECK: packed.buffer {{.*}} : memref<?x8xf32>
// CHECK-LABEL: func.func @stc_model_encode
// CHECK: llvm.mlir.constant(88 : i64)
// CHECK: %[[FEATURES:.*]] = packed.buffer {{.*}} : memref<?x6xf32>
// CHECK: call @encode(%{{.*}}, %{{.*}}, %{{.*}}, %[[FEATURES]], %{{.*}})
