// RUN: stc-opt %s --packed-place-shared-memory=target=nvptx-sm_90 --split-input-file | FileCheck %s
// RUN: not stc-opt %s --packed-place-shared-memory=target=nvptx-sm_86 --split-input-file 2>&1 | FileCheck %s --check-prefix=SMALL

// Behind the barrier's bytes and what kernels use between theirs, aligned to 128 bytes.
// CHECK: module attributes {stc.block_scratch_bytes = 256 : i64, stc.block_shared_bytes = 640 : i64}
// CHECK: llvm.mlir.global external @stc_shared() {addr_space = 3 : i32, alignment = 128 : i64}
// CHECK-LABEL: @buffers
// CHECK: %[[BASE:.*]] = llvm.mlir.addressof @stc_shared : !llvm.ptr<3>
// CHECK: %[[A:.*]] = llvm.getelementptr %[[BASE]][384]
// CHECK: %[[GENERIC:.*]] = llvm.addrspacecast %[[A]] : !llvm.ptr<3> to !llvm.ptr
// CHECK: packed.buffer %[[GENERIC]]() : memref<4xf32>
// CHECK: llvm.getelementptr %{{.*}}[512]
// CHECK: packed.buffer {{.*}} : memref<100xi8>
module attributes {stc.block_scratch_bytes = 256 : i64} {
  func.func @buffers(%x: f32, %b: i8, %i: index) {
    %0 = memref.alloca() : memref<4xf32>
    %1 = memref.alloca() : memref<100xi8>
    memref.store %x, %0[%i] : memref<4xf32>
    memref.store %b, %1[%i] : memref<100xi8>
    return
  }
}

// -----

// SMALL: expects private buffers of at most 101376 bytes for nvptx-sm_86, but got 120192
module {
  func.func @large(%x: f32, %i: index) {
    %0 = memref.alloca() : memref<30000xf32>
    memref.store %x, %0[%i] : memref<30000xf32>
    return
  }
}
