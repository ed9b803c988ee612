// RUN: stc-opt %s --packed-place-shared-memory=target=simt --stc-emit-kernels="target=simt variant=2" \
// RUN:   --convert-scf-to-cf --stc-lower-to-gpu=target=simt --reconcile-unrealized-casts | FileCheck %s

// What does not change while a kernel runs is a function without effects; what waits is not.

// CHECK-DAG: llvm.func @stc_simt_thread() -> i32 attributes {memory_effects = #llvm.memory_effects<other = none, argMem = none, inaccessibleMem = none{{.*}}>, no_unwind, will_return}
// CHECK-DAG: llvm.func @stc_simt_shared() -> !llvm.ptr attributes {memory_effects = {{.*}}
// CHECK-DAG: llvm.func @stc_simt_barrier(i32) attributes {no_unwind}
// CHECK-DAG: llvm.func @stc_simt_shuffle_xor(i32, i32, i32) -> i32 attributes {no_unwind}
// CHECK-DAG: llvm.func @stc_rt_barrier(!llvm.ptr) attributes {no_unwind}
// CHECK-DAG: llvm.func @stc_simt_run_block(!llvm.ptr, !llvm.ptr, i64, i64, i32, i32, i64) attributes {no_unwind}
// CHECK-NOT: @stc_shared
// CHECK-NOT: ptr<{{[13]}}>
// CHECK-NOT: addrspacecast
// CHECK-NOT: gpu.

// The function's own barriers and shuffles are numbered.

// CHECK-LABEL: llvm.func internal @decode
// CHECK-SAME: (%[[FRAME:[^:]*]]: !llvm.ptr
// CHECK-DAG: llvm.call @stc_simt_block() : () -> i64
// CHECK-DAG: llvm.call @stc_simt_blocks() : () -> i64
// CHECK-DAG: llvm.call @stc_simt_thread() : () -> i32
// CHECK-DAG: llvm.call @stc_simt_shared() : () -> !llvm.ptr
// CHECK: %[[PLACE0:.*]] = llvm.mlir.constant(0 : i32)
// CHECK: %[[BITS:.*]] = llvm.call @stc_simt_shuffle_xor(%{{.*}}, %{{.*}}, %[[PLACE0]])
// CHECK: llvm.bitcast %[[BITS]] : i32 to f32
// CHECK: %[[PLACE1:.*]] = llvm.mlir.constant(1 : i32)
// CHECK: llvm.call @stc_simt_barrier(%[[PLACE1]])
// CHECK: llvm.call @grid_barrier(

// The kernel, and the function by which the runtime runs its blocks.

// CHECK-LABEL: llvm.func internal @decode_kernel
// CHECK-SAME: (%[[FRAME:[^:]*]]: !llvm.ptr)
// CHECK-NOT: byval
// CHECK: llvm.call @decode(

// CHECK-LABEL: llvm.func @stc_model_decode_2
// CHECK-SAME: (%[[FRAME:[^:]*]]: !llvm.ptr, %[[BLOCK:[^:]*]]: i64, %[[BLOCKS:[^:]*]]: i64)
// CHECK-DAG: %[[KERNEL:.*]] = llvm.mlir.addressof @decode_kernel
// CHECK-DAG: %[[THREADS:.*]] = llvm.mlir.constant(512 : i32)
// CHECK-DAG: %[[WARP:.*]] = llvm.mlir.constant(32 : i32)
// CHECK-DAG: %[[SHARED:.*]] = llvm.mlir.constant(384 : i64)
// CHECK: llvm.call @stc_simt_run_block(%[[KERNEL]], %[[FRAME]], %[[BLOCK]], %[[BLOCKS]], %[[THREADS]], %[[WARP]], %[[SHARED]])

// Between the two barriers of its block, one thread waits for the other blocks.

// CHECK-LABEL: llvm.func internal @grid_barrier
// CHECK-SAME: (%[[SYNC:[^:]*]]: !llvm.ptr)
// CHECK: llvm.call @stc_simt_barrier
// CHECK: llvm.cond_br
// CHECK: llvm.call @stc_rt_barrier(%[[SYNC]])
// CHECK: llvm.call @stc_simt_barrier

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @decode(%tokens: memref<1xi32>, %position: index, %cache: !cache, %logits: memref<1x512xf32>) {
  %zero = arith.constant 0 : index
  %mask = arith.constant 16 : i32
  %warp = arith.constant 32 : i32
  %block, %blocks = packed.thread
  %thread = gpu.thread_id x
  %buffer = memref.alloca() : memref<64xf32>
  %value = memref.load %buffer[%zero] : memref<64xf32>
  %other, %valid = gpu.shuffle xor %value, %mask, %warp : f32
  gpu.barrier
  %place = arith.addi %block, %thread : index
  %end = arith.addi %place, %blocks : index
  memref.store %other, %logits[%zero, %end] : memref<1x512xf32>
  packed.barrier
  return
}
