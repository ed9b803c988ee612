// RUN: stc-opt %s --packed-place-shared-memory=target=spirv64 --stc-emit-kernels=target=spirv64 \
// RUN:   --convert-scf-to-cf --stc-lower-to-gpu=target=spirv64 --reconcile-unrealized-casts | FileCheck %s

// What does not change while a kernel runs is a function without effects; a barrier stays where it is.

// CHECK-DAG: llvm.func spir_funccc @_Z12get_local_idj(i32) -> i64 attributes {memory_effects = {{.*}}, no_unwind, will_return}
// CHECK-DAG: llvm.func spir_funccc @_Z7barrierj(i32) attributes {convergent, no_unwind}
// CHECK-DAG: llvm.mlir.global internal @stc_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<384 x i8>
// CHECK-DAG: llvm.mlir.global internal @stc_exchange() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<32 x i32>
// CHECK-NOT: gpu.

// Pointers are generic; a value is exchanged by shared memory, between barriers.

// CHECK-LABEL: llvm.func internal spir_funccc @decode
// CHECK-SAME: (%{{[^:]*}}: !llvm.ptr<4>
// CHECK: %[[OWN:.*]] = llvm.getelementptr %[[START:.*]][%[[LANE:.*]]] : (!llvm.ptr<3>, i64) -> !llvm.ptr<3>, f32
// CHECK: llvm.store %{{.*}}, %[[OWN]] {{.*}} : f32, !llvm.ptr<3>
// CHECK: llvm.call spir_funccc @_Z7barrierj
// CHECK: %[[OTHER:.*]] = llvm.getelementptr
// CHECK: llvm.load %[[OTHER]] {{.*}} : !llvm.ptr<3> -> f32
// CHECK: llvm.call spir_funccc @_Z7barrierj
// CHECK: llvm.call spir_funccc @_Z7barrierj
// CHECK: llvm.call spir_funccc @grid_barrier(

// The kernel gets a pointer to the frame in global memory.

// CHECK-LABEL: llvm.func spir_kernelcc @stc_model_decode
// CHECK-SAME: (%[[FRAME:[^:]*]]: !llvm.ptr<1>
// CHECK-SAME: reqd_work_group_size = array<i32: 32, 1, 1>
// CHECK-NOT: byval
// CHECK: llvm.addrspacecast %[[FRAME]] : !llvm.ptr<1> to !llvm.ptr<4>

// The counter of the grid's barrier lies in global memory, which 512 means: 520 releases, 514 acquires.

// CHECK-LABEL: llvm.func internal spir_funccc @grid_barrier
// CHECK-DAG: %[[RELEASE:.*]] = llvm.mlir.constant(520 : i32)
// CHECK: llvm.call spir_funccc @_Z18__spirv_AtomicIAddPU3AS1jiij(%{{.*}}, %{{.*}}, %[[RELEASE]], %{{.*}})
// CHECK: %[[ACQUIRE:.*]] = llvm.mlir.constant(514 : i32)
// CHECK: llvm.call spir_funccc @_Z18__spirv_AtomicLoadPU3AS1jii(%{{.*}}, %{{.*}}, %[[ACQUIRE]])

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
