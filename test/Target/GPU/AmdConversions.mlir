// RUN: stc-opt %s --stc-emit-kernels=target=amdgpu-gfx942 --convert-scf-to-cf \
// RUN:   --stc-lower-to-gpu=target=amdgpu-gfx942 --reconcile-unrealized-casts -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: mlir-translate --mlir-to-llvmir %t.mlir | opt -O3 -mtriple=amdgcn-amd-amdhsa -mcpu=gfx942 \
// RUN:   | llc -O3 -mtriple=amdgcn-amd-amdhsa -mcpu=gfx942 | FileCheck %s --check-prefix=ASM

// The frame is in constant memory; numbers are registers', and that of blocks the launch's.
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

// CHECK-LABEL: llvm.func internal @score
// CHECK: llvm.call_intrinsic "llvm.amdgcn.workgroup.id.x"
// CHECK-LABEL: llvm.func @stc_model_score
// CHECK-SAME: !llvm.ptr<4> {llvm.align = 8 : i64, llvm.byref = !llvm.array<96 x i8>}
// CHECK-SAME: rocdl.kernel
// CHECK-SAME: rocdl.reqd_work_group_size = array<i32: 512, 1, 1>
// CHECK: llvm.addrspacecast %{{.*}} : !llvm.ptr<4> to !llvm.ptr

// All threads publish what they wrote before one of them counts, and look anew after.
// CHECK-LABEL: llvm.func {{.*}}@grid_barrier
// CHECK: llvm.fence syncscope("agent") release
// CHECK: llvm.fence syncscope("workgroup") release
// CHECK: rocdl.s.barrier
// CHECK: llvm.fence syncscope("workgroup") acquire
// CHECK: llvm.call_intrinsic "llvm.amdgcn.dispatch.ptr"
// CHECK: llvm.atomicrmw add %{{.*}} syncscope("agent") monotonic
// CHECK: llvm.load %{{.*}} atomic syncscope("agent") acquire
// CHECK: rocdl.s.barrier
// CHECK: llvm.fence syncscope("agent") acquire

// ASM-LABEL: stc_model_score:
// ASM: buffer_wbl2 sc1
// ASM: s_barrier
// ASM: global_atomic_add_x2
// ASM: buffer_inv sc1
// ASM: s_barrier
// ASM: .amdhsa_private_segment_fixed_size 0
