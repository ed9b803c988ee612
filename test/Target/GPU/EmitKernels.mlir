// RUN: stc-opt %s --stc-emit-kernels=target=nvptx-sm_90 | FileCheck %s
// RUN: stc-opt %s --stc-emit-kernels=target=nvptx-sm_90 --convert-scf-to-cf --stc-lower-to-gpu=target=nvptx-sm_90 --reconcile-unrealized-casts | FileCheck %s --check-prefix=LLVM

// CHECK: func.func private @score(%[[FRAME:.*]]: !llvm.ptr, %{{.*}}: memref<?x8xf32>, %{{.*}}: memref<?x8xf32>)
// CHECK: gpu.block_id x
// CHECK: gpu.grid_dim x
// CHECK: call @grid_barrier
module {
  llvm.mlir.global external @stc_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
  func.func @score(%hidden: memref<?x8xf32>, %logits: memref<?x8xf32>) {
    %number, %count = packed.thread
    %x = memref.load %hidden[%number, %number] : memref<?x8xf32>
    packed.barrier
    memref.store %x, %logits[%number, %number] : memref<?x8xf32>
    return
  }
}

// The frame is the launch's parameter. Before the first barrier of a launch the first thread of a
// block notes where the counter stands.
// CHECK: func.func @stc_model_score(%[[FRAME:.*]]: !llvm.ptr {llvm.align = 8 : i64, llvm.byval = !llvm.array<96 x i8>}) attributes {stc.kernel} {
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire
// CHECK: llvm.store %{{.*}} : i64, !llvm.ptr<3>
// CHECK: call @score

// One thread adds one, and waits until all blocks have; the others wait for it.
// CHECK: func.func private @grid_barrier(%{{.*}}: !llvm.ptr)
// CHECK: gpu.barrier
// CHECK: scf.if
// CHECK: llvm.fence syncscope("device") acq_rel
// CHECK: llvm.atomicrmw add %{{.*}} syncscope("device") monotonic
// CHECK: scf.while
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire
// CHECK: gpu.barrier

// LLVM: llvm.func @stc_model_score({{.*}}) attributes {{{.*}}nvvm.kernel{{.*}}nvvm.maxntid = array<i32: 512>
// LLVM: nvvm.barrier
