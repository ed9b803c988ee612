// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// A few numbers that are not needed for a block's products leave the registers.
// PTXAS: {{ ([0-9]?[0-9]|1[01][0-9]) bytes spill stores}}

// Many rows of an f16 cache: the next block is copied while one is in work, queries and weights are
// sums of two halves, and blocks that are seen whole need no mask.

// CHECK-LABEL: func.func @prefill
// CHECK: gpu.barrier
// CHECK: scf.for
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.ldmatrix {{.*}} layout = #nvvm.mma_layout<col>
// CHECK-COUNT-4: nvvm.mma.sync
// CHECK: nvvm.ldmatrix
// CHECK: scf.if
// CHECK: arith.cmpi sle
// CHECK: nvvm.mma.sync
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: gpu.barrier
// CHECK: arith.divf
// CHECK: memref.store {{.*}} : memref<?x1024xf32>
// CHECK: gpu.barrier

// Per 16 x 16 keys and elements one load, and of each product two.
// PTX-COUNT-16: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// PTX: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 128, capacity = 4096, element = f16>
module {
  func.func @prefill(%tokens: memref<?xi32>, %position: index,
      %cache: !cache, %out: memref<?x1024xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %dim = memref.dim %tokens, %c0 : memref<?xi32>
    %q = packed.scratch(%dim) offset 0 bytes 1048576 : memref<?x1024xf32>
    scf.forall (%h, %t) in (2, %dim) {
      packed.attention_tile %h, %t tokens 32 ins(%q : memref<?x1024xf32>)
          cache(%cache[%c1, %position] : !cache) outs(%out : memref<?x1024xf32>)
          heads 8 scale 1.25e-01 window 0 sinks 0
    }
    packed.barrier
    return
  }
}
