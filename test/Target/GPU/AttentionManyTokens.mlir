// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// Many tokens: each warp takes rows of its own, which see keys from the window and the first ones.

// CHECK-LABEL: func.func @prefill
// CHECK: gpu.barrier
// CHECK: scf.for
// CHECK: scf.if
// CHECK: scf.for
// CHECK: arith.cmpi sle
// CHECK: arith.cmpi sge
// CHECK: arith.cmpi ult
// CHECK: arith.ori
// CHECK-NOT: gpu.barrier
// CHECK: arith.divf
// CHECK: memref.store {{.*}} : memref<?x1024xf32>
// CHECK: gpu.barrier

// PTX: ex2.approx.ftz.f32

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 128, capacity = 4096>
module {
  func.func @prefill(%tokens: memref<?xi32>, %position: index,
      %cache: !cache, %out: memref<?x1024xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %dim = memref.dim %tokens, %c0 : memref<?xi32>
    %q = packed.scratch(%dim) offset 0 bytes 1048576 : memref<?x1024xf32>
    scf.forall (%h, %t) in (2, %dim) {
      packed.attention_tile %h, %t tokens 8 ins(%q : memref<?x1024xf32>)
          cache(%cache[%c1, %position] : !cache) outs(%out : memref<?x1024xf32>)
          heads 8 scale 1.25e-01 window 100 sinks 4
    }
    packed.barrier
    return
  }
}
